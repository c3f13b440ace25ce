"""Ctrl-C while jobs run: the real Snakemake and its jobs in one process group, as a terminal has them.

The trainings are stand-ins that take and answer signals as real ones do; all other commands only write their outputs.
tests.test_training tells real trainings to stop.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from projects import Project, copied, stubbed

from dreamr.runtime.stops import ONE_PRESS

pytestmark = pytest.mark.slow
# Told to stop, it finishes its batch, which takes until the file `finish` is there; with `deaf` it does not end at all.
TRAINING = """
import sys, time
from pathlib import Path

if sys.argv[1:2] == ["train-sapo"]:
    from dreamr.errors import Interrupted
    from dreamr.runtime.endings import exit_on_user_error, exit_or_requeue
    from dreamr.runtime.locks import only_writer
    from dreamr.runtime.stops import Stops

    def end():
        if not Path("deaf").exists():
            raise Interrupted("told to stop again")

    out, told = Path(sys.argv[sys.argv.index("--out") + 1]), []
    with exit_on_user_error(), exit_or_requeue(out.parent), only_writer(out):
        Stops(lambda: told.append(True), end).hear()
        print("begun", flush=True)
        while not (told and Path("finish").exists()):
            time.sleep(0.1)
        raise Interrupted("told to stop; the checkpoint of step 4 is kept")
"""
MODELS = [f"q3vl-2l.{recipe}.q3vl-deep-awq" for recipe in ("balanced", "outcome_heavy")]
CARDS = [f"results/models/{model}/card.json" for model in MODELS]
STOPPED = re.compile(
    r"\nStopped by Ctrl-C: 2 train_sapo\n\d of \d jobs are done; run the same command again to go on\.\n\Z"
)
LOGS = [f"logs/train_sapo/{model}.log" for model in MODELS]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has come to its trainings."""
    project = copied(tmp_path_factory.mktemp("prepared") / "project")
    project.edit("src/dreamr/cli/__init__.py", lambda text: text + TRAINING)
    project.edit("config/config.yaml", lambda text: text.replace("environments: venv", "environments: active"))
    stubbed(project).succeed(*CARDS, "--until", "quantize", "fetch_model", "prepare")
    return project.folder


class Run:
    """A call of Snakemake with two trainings at work."""

    def __init__(self, project: Project) -> None:
        self.project, self._log = project, project.folder / "run.log"
        for log in LOGS:
            (project.folder / log).unlink(missing_ok=True)
        with self._log.open("w") as log:
            self.process = project.start(
                *("--cores", "2", *CARDS), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        until(lambda: all("begun" in self._read(log) for log in LOGS))

    def press(self) -> None:
        """Ctrl-C, as a terminal passes it on."""
        os.killpg(self.process.pid, signal.SIGINT)

    def said(self) -> str:
        return self._log.read_text()

    def until_said(self, words: str) -> None:
        until(lambda: words in self.said())

    def jobs(self) -> list[psutil.Process]:
        """The trainings that run, whoever their parent is."""
        here = _at_work(self.project.folder)
        return [one for one in here if "train-sapo" in one.info["cmdline"] and one.info["name"] != "bash"]

    def finish(self) -> None:
        (self.project.folder / "finish").touch()

    def ended(self) -> str:
        """All that it said. Nothing of it is left then, neither lock nor process."""
        assert self.process.wait(timeout=180) == 1, self.said()
        assert not self.locked and not self.jobs()
        assert "Traceback" not in self.said(), self.said()
        return self.said()

    @property
    def locked(self) -> bool:
        return any((self.project.folder / ".snakemake/locks").glob("*"))

    def _read(self, log: str) -> str:
        path = self.project.folder / log
        return path.read_text() if path.exists() else ""


def _at_work(folder: Path) -> list[psutil.Process]:
    """The processes whose working folder this is, with what one look told of them: one that has ended tells nothing."""
    seen = psutil.process_iter(["cwd", "cmdline", "name"])
    return [one for one in seen if one.info["cwd"] == str(folder) and one.info["cmdline"]]


def until(true: Callable[[], bool], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def project(prepared: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of the prepared one; what a failed test leaves at work there is killed."""
    shutil.copytree(prepared, tmp_path / "project", symlinks=True)
    yield Project(tmp_path / "project")
    for process in _at_work(tmp_path / "project"):
        process.kill()


def test_the_first_says_what_it_does_and_waits_for_the_jobs(project: Project) -> None:
    run = Run(project)
    run.press()
    run.until_said("no new job starts, and Snakemake waits for those that run")
    told = run.said()
    assert all(f"train_sapo: {log}\n" in told for log in LOGS)
    second = project.snakemake(*CARDS)
    assert second.returncode == 1 and "Directory cannot be locked" in second.stderr
    assert run.process.poll() is None and len(run.jobs()) == 2
    run.finish()
    said = run.ended()
    assert said.count(": stopped; the checkpoint of step 4 is kept\n") == 2
    assert STOPPED.search(said) and ": failed" not in said


def test_the_second_ends_the_jobs_and_snakemake_after_them(project: Project) -> None:
    run = Run(project)
    run.press()
    run.until_said("Ctrl-C again ends the jobs at once")
    time.sleep(3 * ONE_PRESS)  # a busy machine passes the first on late
    run.press()
    said = run.ended()
    assert "Ctrl-C again: the jobs on this machine end at once, and Snakemake waits" in said
    assert said.count(": stopped again\n") == 2 and STOPPED.search(said)


def test_a_press_that_is_passed_on_twice_is_one(project: Project) -> None:
    """As by `timeout --signal=INT`, which tells its child and then its whole group."""
    run = Run(project)
    run.process.send_signal(signal.SIGINT)
    time.sleep(ONE_PRESS / 10)  # not until it has said so: on a busy machine that takes as long as a second press
    run.press()
    run.until_said("no new job starts")
    time.sleep(3 * ONE_PRESS)  # a busy machine passes the first on late
    assert run.process.poll() is None and run.locked and len(run.jobs()) == 2
    run.finish()
    said = run.ended()
    assert said.count("the checkpoint of step 4 is kept") == 2 and "Ctrl-C again:" not in said


def test_the_third_kills_what_does_not_end(project: Project) -> None:
    (project.folder / "deaf").touch()
    run = Run(project)
    for words in ("no new job starts", "A third time kills them", "is killed"):
        run.press()
        run.until_said(words)
        time.sleep(3 * ONE_PRESS)  # a busy machine passes the first on late
    assert STOPPED.search(run.ended()), "those that were killed too"


def test_a_run_that_meets_jobs_of_a_killed_one_names_them(project: Project) -> None:
    """Snakemake alone is killed; its jobs go on, and its lock is taken away by hand."""
    run = Run(project)
    run.process.kill()
    run.process.wait()
    project.succeed("--unlock", *CARDS)
    jobs = {one.pid for one in run.jobs()}
    second = project.snakemake(*CARDS)
    assert second.returncode == 1 and "Jobs of another run are still at work here:" in second.stderr
    named = re.findall(r"(\S+) is being written by process (\d+) on (\S+),", second.stderr)
    assert {folder for folder, _, _ in named} == {str(Path(card).parent) for card in CARDS}
    assert {int(process) for _, process, _ in named} == jobs and {host for *_, host in named} == {os.uname().nodename}
    assert "Traceback" not in second.stderr and {one.pid for one in run.jobs()} == jobs
    for process in jobs:
        os.kill(process, signal.SIGKILL)
    until(lambda: not any(map(psutil.pid_exists, jobs)))  # a marker's holder is gone once its parent has seen its end
    again = Run(project)
    again.finish()
    again.press()
    again.ended()
