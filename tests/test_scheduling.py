"""How often Snakemake looks for jobs to start: real Snakemake on jobs that wait for each other."""

import subprocess
import sys
from pathlib import Path

import pytest

JOBS = 12
WORKFLOW = f"""
from dreamr.runtime.scheduling import look_when_a_job_ends
onstart:
    look_when_a_job_ends(workflow.scheduler)
rule all:
    input: expand("{{n}}.txt", n=range({JOBS}))
rule one:
    output: "{{n}}.txt"
    shell: "sleep 0.5; touch {{output}}"
"""


def looks(folder: Path, *options: str) -> int:
    """How often a run on one core looked at what was ready."""
    (folder / "Snakefile").write_text(WORKFLOW)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--verbose", "--forceall", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (done.stdout + done.stderr).count("Ready jobs:")


def test_jobs_are_looked_for_where_one_has_ended(tmp_path: Path) -> None:
    assert looks(tmp_path) <= JOBS + 2


@pytest.mark.slow
def test_a_limit_that_is_given_stays(tmp_path: Path) -> None:
    """It takes looks in between: without them nothing would start when the span is over."""
    assert looks(tmp_path, "--max-jobs-per-timespan", "50/1s") > JOBS + 2
