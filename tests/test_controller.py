"""A real Slurm whose controller goes away, which forgets jobs, or whose queue is full. All work is stand-ins."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from clusters import Slurm, slurm, wait_until, why_not
from projects import Project, copied, stubbed, with_form

pytestmark = [
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(bool(why_not()), reason=f"not run, no Slurm can be started here: {why_not()}"),
]
AWAY = 40  # seconds: two looks at the queue, each of two calls of squeue that fail after nine
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--slurm-status-attempts", "1")
QUANTIZED = "results/smoke/models/q3vl-deep-awq/card.json"
HOLD = """import sys
import time
from pathlib import Path
while "dreamr quantize" in " ".join(sys.orig_argv) and Path("hold").exists():
    time.sleep(0.1)
"""
BATCH = """
import signal
import sys
import time
from pathlib import Path

if "dreamr quantize" in " ".join(sys.orig_argv) and not Path("checkpoint").exists():
    from dreamr.errors import Interrupted
    from dreamr.runtime.endings import exit_on_user_error, exit_or_requeue

    with exit_on_user_error(), exit_or_requeue(Path()):
        told = []
        signal.signal(signal.SIGTERM, lambda *_: told.append(time.monotonic()))
        Path("begun").touch()
        while not told or time.monotonic() < told[0] + 20:
            time.sleep(0.1)
        Path("checkpoint").touch()
        raise Interrupted("told to stop; the checkpoint is kept")
"""
with_accounting = pytest.mark.parametrize(
    "accounting",
    [
        False,
        pytest.param(True, marks=pytest.mark.skipif(bool(why_not(True)), reason=f"not run: {why_not(True)}")),
    ],
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = with_form(stubbed(copied(tmp_path / "project")))
    project.edit("src/dreamr/cli/__init__.py", lambda text: HOLD + text)
    (project.folder / "hold").touch()
    return project


@contextmanager
def running(project: Project, *wanted: str) -> Iterator[subprocess.Popen[str]]:
    """Snakemake with the Slurm profile; its output is in `printed`."""
    with (project.folder / "printed").open("w") as out:
        process = project.start(
            *("--profile", "profiles/slurm", "--configfile", "config/smoke.yaml", *QUICK, *wanted),
            stdout=out,
            stderr=out,
        )
        try:
            yield process
        finally:
            process.kill()


def printed(project: Project) -> str:
    return (project.folder / "printed").read_text()


def log(project: Project) -> str:
    path = project.folder / "logs/smoke/quantize/q3vl-deep-awq.log"
    return path.read_text() if path.exists() else ""


def states() -> list[str]:
    return slurm("squeue", "--noheader", "--states=all", "--format=%T").split()


@with_accounting
def test_jobs_are_kept_in_sight_while_the_controller_is_away(
    tmp_path: Path, project: Project, accounting: bool
) -> None:
    """The job ends while nobody can be asked; what comes behind it is submitted when the controller is back."""
    with Slurm(tmp_path / "slurm", accounting) as cluster, running(project, QUANTIZED) as snakemake:
        wait_until(lambda: log(project), 120, "a job at work")
        cluster.stop_controller()
        (project.folder / "hold").unlink()
        time.sleep(AWAY)
        assert snakemake.poll() is None
        cluster.start_controller()
        assert snakemake.wait(timeout=180) == 0, printed(project)


def test_a_submission_waits_for_the_controller(tmp_path: Path, project: Project) -> None:
    (project.folder / "hold").unlink()
    with Slurm(tmp_path / "slurm") as cluster:
        cluster.stop_controller()
        with running(project, QUANTIZED) as snakemake:
            wait_until(lambda: "not submitted, next try in 30 s" in printed(project), 180, "a second try")
            cluster.start_controller()
            assert snakemake.wait(timeout=180) == 0, printed(project)


@with_accounting
def test_a_job_that_slurm_no_longer_lists_is_not_waited_for(tmp_path: Path, project: Project, accounting: bool) -> None:
    """A site that forgets an ended job within seconds."""
    with Slurm(tmp_path / "slurm", accounting, age=2), running(project, QUANTIZED) as snakemake:
        wait_until(lambda: log(project), 120, "a job at work")
        (project.folder / "hold").unlink()
        assert snakemake.wait(timeout=300) == 0, printed(project)


@pytest.mark.skipif(bool(why_not(True)), reason=f"not run: {why_not(True)}")
def test_a_full_queue_is_waited_for(tmp_path: Path, project: Project) -> None:
    """One job a user at a time, and two that could run."""
    (project.folder / "hold").unlink()
    with Slurm(tmp_path / "slurm", accounting=True):
        slurm("sacctmgr", "--immediate", "modify", "user", "root", "set", "maxsubmitjobs=1")
        blocker = slurm("sbatch", "--parsable", "--account=none", "--output=/dev/null", "--wrap=sleep 600").strip()
        with running(project, QUANTIZED) as snakemake:
            wait_until(lambda: "not submitted, next try in" in printed(project), 180, "a refusal")
            slurm("scancel", blocker)
            assert snakemake.wait(timeout=180) == 0, printed(project)
    assert "AssocMaxSubmitJobLimit" in printed(project)


def test_a_job_in_a_long_batch_is_left_to_end_it_and_goes_back_into_the_queue(tmp_path: Path, project: Project) -> None:
    """Slurm signals every process of the job: none of those around the command may end before it."""
    (project.folder / "hold").unlink()
    project.edit("src/dreamr/cli/__init__.py", lambda text: BATCH + text)
    with Slurm(tmp_path / "slurm"), running(project, QUANTIZED) as snakemake:
        wait_until((project.folder / "begun").exists, 120, "a batch")
        slurm("scancel", "--signal=TERM", "1")  # to the job's steps, as --signal does it ahead of a time limit
        time.sleep(15)
        assert states() == ["RUNNING"] and not (project.folder / "checkpoint").exists()
        assert snakemake.wait(timeout=180) == 0, printed(project)
    starts = re.findall(r"^==== started [\d -:]+ on \S+, Slurm job 1, restart (\d)$", log(project), re.M)
    assert starts == ["0", "1"]
    assert "Slurm job 1 goes back into the queue, restart 1 of 5" in log(project)
    assert "told to stop; the checkpoint is kept: run the same command again to go on" in log(project)
    slurms = list(project.folder.glob(".snakemake/slurm_logs/rule_quantize/*/1.log"))
    assert len(slurms) == 1 and slurms[0].read_text().count("Building DAG of jobs...") == 4, "of both starts, and kept"
