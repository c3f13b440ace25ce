"""One writer at a time: on this machine, across machines, and behind a dead holder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import psutil
import pytest

from dreamr.errors import UserError
from dreamr.runtime.locks import LEASE, being_written, only_writer, refuse_writers

SOURCES = Path(__file__).resolve().parent.parent / "src"
HOLDER = """
import sys, time
from pathlib import Path
from unittest import mock

from dreamr.runtime.locks import only_writer

path, host, lease = sys.argv[1:]
if host:  # as on another machine: neither its name nor its processes are known here
    mock.patch("platform.node", return_value=host).start()
    mock.patch("filelock._soft._exclusive._marker.host_name", return_value=host).start()
with only_writer(Path(path), lease=float(lease)):
    print("holds", flush=True)
    time.sleep(60)
"""


def held(path: Path, host: str = "", lease: float = LEASE, job: str | None = None) -> subprocess.Popen:
    """A process that holds the lock of `path`."""
    environment = os.environ | ({"SLURM_JOB_ID": job} if job else {})
    command = [sys.executable, "-c", HOLDER, str(path), host, str(lease)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    assert process.stdout.readline() == "holds\n"
    return process


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cells" / "abc.jsonl"


def test_a_second_writer_stops_and_is_told_who_writes(path: Path) -> None:
    holder = held(path, job="4711")
    begin = time.monotonic()
    with pytest.raises(UserError) as stopped, only_writer(path):
        pass
    said = str(stopped.value)
    assert time.monotonic() - begin < 1  # its process lives, so there is nothing to wait for
    since = json.loads(path.with_name("abc.jsonl.writer").read_text())["since"]
    for word in (str(path), "Slurm job 4711", f"process {holder.pid} on {os.uname().nodename}", since, "scancel 4711"):
        assert word in said
    holder.kill()


def test_a_run_is_told_of_all_writers_of_this_machine(path: Path, tmp_path: Path) -> None:
    """Not of one that was killed, nor of one on another machine, for which a job waits."""
    holders = [held(path.with_name(name)) for name in ("one.jsonl", "two.jsonl", "dead.jsonl")]
    away = held(path.with_name("away.jsonl"), host="node5")
    holders[2].kill()
    holders[2].wait()
    with pytest.raises(UserError, match="still at work here") as stopped:
        refuse_writers(path.parent, tmp_path / "nothing")
    said = str(stopped.value).splitlines()[1:]
    assert [f"process {one.pid} on" in line for one, line in zip(holders[:2], said, strict=True)] == [True, True]
    for holder in (*holders[:2], away):
        holder.kill()
        holder.wait()
    refuse_writers(path.parent)


def test_a_killed_holder_on_this_machine_is_followed_at_once(path: Path) -> None:
    holder = held(path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    begin = time.monotonic()
    with only_writer(path):
        assert time.monotonic() - begin < 1
        assert json.loads(path.with_name("abc.jsonl.writer").read_text())["process"] == os.getpid()


def test_a_killed_holder_whose_parent_has_not_seen_it_is_waited_for(path: Path) -> None:
    """As in a container whose first process looks after nobody's children."""
    holder = held(path)
    holder.kill()
    while psutil.Process(holder.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    refuse_writers(path.parent)
    Timer(0.5, holder.wait).start()
    begin = time.monotonic()
    with only_writer(path):
        assert 0.4 < time.monotonic() - begin < 10


def test_a_holder_on_another_machine_is_alive_while_it_touches_its_marker(path: Path) -> None:
    holder = held(path, host="node5", lease=2)
    with pytest.raises(UserError, match=f"process {holder.pid} on node5"), only_writer(path, lease=2):
        pass
    holder.kill()


def test_a_dead_holder_on_another_machine_is_followed_after_its_lease(path: Path) -> None:
    holder = held(path, host="node5", lease=2)
    holder.kill()
    begin = time.monotonic()
    with only_writer(path, lease=2):
        assert 1.5 < time.monotonic() - begin < 4


def test_dead_holders_of_many_files_are_waited_for_once(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(4)]
    for process in [held(path, host="node5", lease=2) for path in paths]:
        process.kill()
    begin = time.monotonic()
    with only_writer(*paths, lease=2):
        assert time.monotonic() - begin < 4


def test_nothing_is_left_behind_and_a_refused_claim_lets_go_of_the_others(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    holder = held(theirs)
    with pytest.raises(UserError), only_writer(mine, theirs):
        pass
    holder.kill()
    holder.wait()
    with only_writer(mine, theirs):
        pass
    assert not list(tmp_path.iterdir())


def test_a_holder_whose_claim_is_lost_ends_at_once(path: Path) -> None:
    holder = held(path, lease=1)
    path.with_name("abc.jsonl.lock").unlink()  # as by a second writer that takes this one for dead
    assert holder.wait(timeout=5) == 1


def test_what_is_being_written_is_told_with_its_writer(tmp_path: Path) -> None:
    """Also by a writer of another machine; nothing of one that is long gone."""
    holder, elsewhere = held(tmp_path / "a/model", job="4711"), held(tmp_path / "b.jsonl", host="node5")
    first, second = being_written(tmp_path)
    assert first.startswith(f"{tmp_path}/a/model is being written by Slurm job 4711, process {holder.pid} on ")
    assert second.startswith(f"{tmp_path}/b.jsonl is being written by process {elsewhere.pid} on node5, since ")
    for process in (holder, elsewhere):
        process.kill()
        process.wait()
    assert (tmp_path / "b.jsonl.writer").exists() and being_written(tmp_path, lease=0) == []
