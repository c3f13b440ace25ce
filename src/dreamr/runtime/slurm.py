"""What a job of the Slurm profile asks of Slurm for itself: to be run again, where another try may succeed."""

import os
import re
import shutil
import subprocess
import sys
import time

PREFIX = "dreamr_"  # of the jobs that the profile submits one by one (slurm-jobname-prefix)
RESTARTS = 5  # after that a failure counts as one that will repeat itself
PAUSES = (5, 10, 20, 40, 80, 160)  # seconds between a job's tries to reach the controller
# How Slurm's commands say that the controller is away or overloaded.
AWAY = re.compile(
    "Unable to contact slurm controller|Socket timed out|Connection (refused|timed out)|in standby mode"
    "|Zero Bytes were transmitted|temporarily unable to accept job",
    re.IGNORECASE,
)


def requeue() -> bool:
    """Put this job back into the queue, unless it is none of the profile's, has ended, or was there too often.

    Slurm ends the job's processes by itself after that. Where it is not put back, stderr says why.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or shutil.which("scontrol") is None:
        return False
    entry = _asked("squeue", "--noheader", "--jobs", job, "--states=all", "--Format", "Name:200,State:30,RestartCnt:10")
    if why := _why_not(entry):
        _say(f"Slurm job {job} does not go back into the queue: {why}")
        return False
    restarts = int(entry.split()[2])
    _say(f"Slurm job {job} goes back into the queue, restart {restarts + 1} of {RESTARTS}")
    _asked("scontrol", "requeue", job)
    return True


def _why_not(entry: str) -> str | None:
    """Why a job whose name, state and restarts are these is not to be run again."""
    if not entry.strip():
        return "squeue does not list it"
    name, state, restarts = entry.split()
    if not name.startswith(PREFIX):
        return f"its name {name} does not begin with {PREFIX}, so it is none of the Slurm profile's"
    if state != "RUNNING":
        return f"its state is {state}"
    return f"it was restarted {restarts} times already" if int(restarts) >= RESTARTS else None


def _asked(*command: str) -> str:
    """What Slurm prints, once its controller can be reached; "" where it refuses, or stays away for minutes."""
    for pause in PAUSES:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout
        _say(f"{command[0]}: {done.stderr.strip()}")
        if not AWAY.search(done.stderr):
            break
        time.sleep(pause)
    return ""


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
