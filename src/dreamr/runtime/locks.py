"""One writer at a time, on whatever file system the machines of a run share.

A lease of `filelock`: a marker file that its holder touches again and again. It needs atomic creation and nothing else,
so it holds on network file systems too, where the kernel's locks may end at the machine. A holder that is gone is
recognised, on this machine by its process, on another one by a marker that nobody has touched for LEASE seconds.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import psutil
from filelock import SoftFileLease, Timeout

from dreamr.errors import UserError
from dreamr.runtime import restarts

LEASE = 120.0  # longer than a network file system's usual hiccups
NOTE = ".writer"  # behind the name of a path: who says to be writing it
MARGIN = 1.1  # how much longer than a lease a second writer waits for a holder on another machine to show itself


@contextmanager
def only_writer(*paths: Path, lease: float = LEASE) -> Iterator[None]:
    """Be the only one that writes these files or folders; stops with who does, where somebody does already.

    Markers lie beside the paths: <name>.lock, and <name>.writer, which names the holder.
    """
    locks = [_Lock(path, lease) for path in dict.fromkeys(paths)]
    with ExitStack() as stack:
        for lock in locks:
            stack.callback(lock.release)
        with ThreadPoolExecutor(len(locks)) as side_by_side:  # so that waiting for dead holders is done once
            list(side_by_side.map(_Lock.claim, locks))
        restarts.begin(paths)
        yield
        restarts.end(paths)


def being_written(folder: Path, lease: float = LEASE) -> list[str]:
    """What somebody is writing below `folder` at this moment, and who, a line each."""
    lines = []
    for note in sorted(folder.rglob(f"*{NOTE}")):
        path = note.with_suffix("")
        marker = path.with_name(path.name + ".lock")
        try:
            age = time.time() - marker.stat().st_mtime
            holder = json.loads(note.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):  # just let go of, or just claimed
            continue
        if age < lease:
            lines.append(f"{path} is being written by {_named(holder)}")
    return lines


def _named(holder: Mapping[str, str | None]) -> str:
    who = "process {process} on {host}, since {since}".format_map(holder)
    return f"Slurm job {holder['job']}, {who}" if holder["job"] else who


def refuse_writers(*folders: Path) -> None:
    """UserError where processes of this machine write files or folders in these: jobs of a run that was killed.

    On another machine a holder may be dead, so a job that wants what it has is left to wait for that.
    """
    told = []
    for note in sorted(note for folder in folders for note in folder.glob(f"*{NOTE}")):
        lock = _Lock(note.with_suffix(""), LEASE)
        try:
            lock.take()
        except UserError as error:
            told.append(str(error))
        finally:
            lock.release()
    if told:
        raise UserError("\n".join(["Jobs of another run are still at work here:", *told]))


class _Lock:
    """The claim to one path."""

    def __init__(self, path: Path, lease: float) -> None:
        self._path, self._lease = path, lease
        path.parent.mkdir(parents=True, exist_ok=True)
        self._note = path.with_name(path.name + NOTE)
        marker = path.with_name(path.name + ".lock")
        self._marker = SoftFileLease(marker, lease_duration=lease, thread_local=False, on_compromise=_stop)

    def claim(self) -> None:
        """Take the path or stop with who has it."""
        if not self.take():
            self._wait()
        note = {"host": platform.node(), "process": os.getpid(), "job": os.environ.get("SLURM_JOB_ID")}
        since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        self._note.write_text(json.dumps(note | {"since": since}) + "\n", encoding="utf-8")

    def take(self) -> bool:
        """Whether the path was to be had at once; a holder that works on this machine stops us."""
        try:
            self._marker.acquire(timeout=0)
        except Timeout:
            if self._is_at_work():
                self._refuse()
        return self._marker.is_locked

    def _is_at_work(self) -> bool:
        """Whether the holder is a process of this machine; one that has ended may wait for its parent to see it."""
        holder = self._holder()
        if holder.get("host") != platform.node():
            return False
        try:
            return psutil.Process(int(holder["process"])).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def _wait(self) -> None:
        try:
            self._marker.acquire(timeout=MARGIN * self._lease)
        except Timeout:
            self._refuse()

    def release(self) -> None:
        """Let go of the path, if it was ours."""
        if self._marker.is_locked:
            self._note.unlink(missing_ok=True)
            self._marker.release()

    def _holder(self) -> dict[str, str]:
        """Who says to be writing; empty in the moments in which nobody has said so yet."""
        try:
            holder: dict[str, str] = json.loads(self._note.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return holder

    def _refuse(self) -> None:
        who, end = "another process, since just now", "kill it"
        if holder := self._holder():
            who, end = _named(holder), f"kill {holder['process']}"
            if job := holder["job"]:
                end = f"scancel {job}"
        raise UserError(
            f"{self._path} is being written by {who}. It has one writer at a time: wait until that one has ended, or "
            f"end it ({end}), then run the same command again."
        )


def _stop(lost: object) -> None:
    """Called by the lease's own thread: whoever holds the claim now must not be disturbed by another byte of ours."""
    print(f"the claim to write was lost, another writer may have it: stopped at once ({lost})", file=sys.stderr)
    sys.stderr.flush()
    os._exit(1)
