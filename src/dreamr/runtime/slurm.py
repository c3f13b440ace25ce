"""What a job of the Slurm profile asks of Slurm for itself: to be run again, where another try may succeed."""

import os
import shutil
import subprocess
import sys

PREFIX = "dreamr_"  # of the jobs that the profile submits one by one (slurm-jobname-prefix)
RESTARTS = 5  # after that a failure counts as one that will repeat itself


def requeue() -> bool:
    """Put this job back into the queue, unless it is none of the profile's, is being cancelled, or was there too often.

    Slurm ends the job's processes by itself after that.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or shutil.which("scontrol") is None:
        return False
    query = ["squeue", "--noheader", "--jobs", job, "--Format", "Name:200,State:30,RestartCnt:10"]
    name, state, restarts = subprocess.run(query, check=True, capture_output=True, text=True).stdout.split()
    if not name.startswith(PREFIX) or state != "RUNNING" or int(restarts) >= RESTARTS:
        return False
    print(
        f"Slurm job {job} goes back into the queue, restart {int(restarts) + 1} of {RESTARTS}",
        file=sys.stderr,
        flush=True,
    )
    subprocess.run(["scontrol", "requeue", job], check=True)
    return True
