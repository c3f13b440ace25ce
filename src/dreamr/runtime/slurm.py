"""What a job of the Slurm profile asks of Slurm for itself: to be run again, where another try may succeed."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from dreamr.runtime.restarts import without_progress

PREFIX = "dreamr_"  # of the jobs that the profile submits one by one (slurm-jobname-prefix)
RESTARTS = 5  # in a row that keep nothing new: after that a failure counts as one that will repeat itself
PAUSES = (5, 10, 20, 40, 80, 160)  # seconds between a job's tries to reach the controller
# How Slurm's commands say that the controller is away or overloaded.
AWAY = re.compile(
    "Unable to contact slurm controller|Socket timed out|Connection (refused|timed out)|in standby mode"
    "|Zero Bytes were transmitted|temporarily unable to accept job",
    re.IGNORECASE,
)


def requeue(folder: Path) -> bool:
    """Put this job, which writes into `folder`, back into the queue.

    Not if it is none of the profile's, has ended, or made no progress too often; stderr says which. Slurm ends its
    processes by itself after that.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or shutil.which("scontrol") is None:
        return False
    entry = _asked("squeue", "--noheader", "--jobs", job, "--states=all", "--Format", "Name:200,State:30")
    if why := _why_not(entry):
        _say(f"Slurm job {job} does not go back into the queue: {why}")
        return False
    count = without_progress(folder, job)
    if count > RESTARTS:
        _say(f"Slurm job {job} does not go back into the queue: it kept nothing new over {RESTARTS} restarts")
        return False
    how = f"restart {count} of {RESTARTS} without progress" if count else "with progress since its last start"
    _say(f"Slurm job {job} goes back into the queue, {how}")
    _asked("scontrol", "requeue", job)
    return True


def _why_not(entry: str) -> str | None:
    """Why a job of this name and state is not to be run again."""
    if not entry.strip():
        return "squeue does not list it"
    name, state = entry.split()
    if not name.startswith(PREFIX):
        return f"its name {name} does not begin with {PREFIX}, so it is none of the Slurm profile's"
    return f"its state is {state}" if state != "RUNNING" else None


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
