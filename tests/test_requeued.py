"""A generate job that Slurm's stand-in starts again and again: what it takes up, and when it is given up."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_generate import SCRIPTED, Bench, job

from dreamr.runtime.slurm import PREFIX, RESTARTS

FAKE = Path(__file__).with_name("fake_slurm")
OPTIONS = {"models": "models", "data": "data", "cells": "cells", "out": "traces/all.jsonl"}


class Queue:
    """The stand-in of Slurm, with one job in it."""

    def __init__(self, bench: Bench, log: Path, delay: float) -> None:
        self.folder, self.bench = bench.folder / "slurm", bench
        self.folder.mkdir()
        self.environment = os.environ | {"PATH": f"{FAKE}:{os.environ['PATH']}", "FAKE_SLURM": str(self.folder)}
        self.environment |= {"SCRIPTED_LOG": str(log), "SCRIPTED_DELAY": str(delay)}

    def submit(self, spec: dict) -> None:
        options = " ".join(f"--{name} {value}" for name, value in OPTIONS.items())
        wrapped = f"exec {sys.executable} {SCRIPTED} --spec '{json.dumps(spec)}' {options}"
        command = ["sbatch", "--job-name", f"{PREFIX}1f0c", f"--wrap={wrapped}"]
        subprocess.run(command, cwd=self.bench.folder, env=self.environment, check=True)

    @property
    def requeued(self) -> int:
        path = self.folder / "requeued"
        return len(path.read_text().splitlines()) if path.exists() else 0

    @property
    def state(self) -> str:
        return (self.folder / "1.state").read_text().strip()

    @property
    def writer(self) -> int | None:
        """The process that writes the cells."""
        for note in self.bench.folder.glob("cells/*.writer"):
            return int(json.loads(note.read_text())["process"])
        return None


def wait(until: Callable[[], object]) -> None:
    begin = time.monotonic()
    while not until():
        assert time.monotonic() - begin < 60
        time.sleep(0.02)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench")


def test_more_time_limits_than_restarts_are_free_where_each_start_keeps_answers(bench: Bench, tmp_path: Path) -> None:
    bench.ask("sums", *(f"sums {i}?" for i in range(20)))
    queue = Queue(bench, tmp_path / "log", delay=0.01)
    queue.submit(job(["specreason"]))
    for times in range(RESTARTS + 2):
        before = bench.finished()
        wait(lambda before=before: bench.finished() > before)
        os.kill(queue.writer, signal.SIGTERM)  # the warning ahead of a time limit
        wait(lambda times=times: queue.requeued == times + 1)
    wait(lambda: queue.state == "COMPLETED")
    (cell,) = bench.folder.glob("cells/*[0-9a-f].jsonl")
    rows = [json.loads(line) for line in cell.read_text().splitlines()]
    assert len({(row["mode"], row["benchmark"], row["question"]) for row in rows}) == len(rows) == 20 + 5 + 4
    assert not list(bench.folder.glob("cells/slurm-*"))


def test_a_job_that_keeps_nothing_is_given_up(bench: Bench, tmp_path: Path) -> None:
    """Its engines cannot start: the log that they write lies nowhere."""
    queue = Queue(bench, tmp_path / "nowhere" / "log", delay=0)
    queue.submit(job(["specreason"]))
    wait(lambda: queue.state == "FAILED")
    assert queue.requeued == RESTARTS
    told = (queue.folder / "1.log").read_text()
    assert f"does not go back into the queue: it kept nothing new over {RESTARTS} restarts" in told
