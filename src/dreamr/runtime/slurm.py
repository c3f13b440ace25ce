"""What a job of the Slurm profile asks of Slurm for itself: to be run again, where another try may succeed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dreamr.runtime.restarts import without_progress

PREFIX = "dreamr_"  # of the jobs that the profile submits one by one (slurm-jobname-prefix)
RESTARTS = 5  # in a row that keep nothing new: after that a failure counts as one that will repeat itself


def requeue(folder: Path) -> bool:
    """Put this job, which writes into `folder`, back into the queue.

    Not if it is none of the profile's, is being cancelled, or made no progress too often. Slurm ends its processes by
    itself after that.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or shutil.which("scontrol") is None:
        return False
    query = ["squeue", "--noheader", "--jobs", job, "--Format", "Name:200,State:30"]
    name, state = subprocess.run(query, check=True, capture_output=True, text=True).stdout.split()
    if not name.startswith(PREFIX) or state != "RUNNING":
        return False
    count = without_progress(folder, job)
    if count > RESTARTS:
        _say(f"Slurm job {job} does not go back into the queue: it kept nothing new over {RESTARTS} restarts")
        return False
    how = f"restart {count} of {RESTARTS} without progress" if count else "with progress since its last start"
    _say(f"Slurm job {job} goes back into the queue, {how}")
    subprocess.run(["scontrol", "requeue", job], check=True)
    return True


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
