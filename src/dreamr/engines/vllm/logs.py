"""The log of an engine, and what it says the engine died of.

An engine is a process of its own, with more processes below it where it holds several GPUs. vLLM applies the logging
configuration that VLLM_LOGGING_CONFIG_PATH names in each of them, forked ones included, so all write to one file.
"""

import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from dreamr.errors import Cause
from dreamr.runtime.causes import AGAIN, SHORT_OF_MEMORY, more_memory
from dreamr.runtime.output import own_log, path_from_here

FORMAT = "%(levelname)s %(asctime)s %(processName)s %(process)d %(name)s:%(lineno)d %(message)s"
RECORD = re.compile(r"^(?=(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) \d{4}-\d\d-\d\d )", re.MULTILINE)
TRACEBACK = "Traceback (most recent call last):\n"
ELSEWHERE = re.compile(r"stack trace|root cause", re.IGNORECASE)  # vLLM's exceptions that point to another one
EXIT_CODE = re.compile(r"exit code: (-?\d+)")  # of a worker, told by the engine that had it
# What may be gone at the next try: memory, devices, networks, disks.
MAY_PASS = re.compile(
    r"out of memory|OutOfMemory|MemoryError|allocate memory|Free memory on device|No available memory|CUDA|NCCL|cuDNN"
    r"|CUBLAS|Connection|connection|[Tt]imed? ?out|No space left|Address already in use"
)
SHOWN = 300  # characters of an exception
NAMES = {one.value: one.name for one in signal.Signals}
SIGNALS: dict[int, str] = {
    signal.SIGILL: "it met an instruction that this processor does not have",
    signal.SIGBUS: "often /dev/shm is full",
    signal.SIGKILL: "often the machine had no memory left",
}
CHECK = ".venv/bin/dreamr check"
READ_IT = f"read the engine's log; `{CHECK}` says what this machine lacks"
# What is there no more, or never was: an operator of a library, a module, a library.
DAMAGED = re.compile(r"_OpNamespace|ModuleNotFoundError|ImportError|undefined symbol|cannot open shared object")
_numbers: Counter[str] = Counter()  # of engines that this process started, by model


@dataclass(frozen=True)
class EngineLog:
    """The log of one engine, beside the log of the job that starts it."""

    path: Path
    kept: bool  # beside a job's log; else what engines print goes to the terminal, and the file is of no use to a user
    killed_before: int = field(default_factory=lambda: _killed_for_memory())

    @classmethod
    def of(cls, model: str) -> "EngineLog":
        """A log that no other engine of this process has."""
        own = own_log()
        folder = own.with_suffix(".engines") if own else Path(_passing_folder().name)
        folder.mkdir(exist_ok=True)
        _numbers[model] += 1
        name = model if _numbers[model] == 1 else f"{model}.{_numbers[model]}"
        path = folder / f"{name}.log"
        path.unlink(missing_ok=True)
        return cls(path, kept=own is not None)

    def environment(self, level: str) -> dict[str, str]:
        """What has vLLM write here. To be set before vLLM's configuration is made."""
        path = self.path.with_suffix(".logging.json")
        path.write_text(json.dumps(self._configuration(level), indent=1) + "\n", encoding="utf-8")
        return {"VLLM_LOGGING_CONFIG_PATH": str(path)}

    def _configuration(self, level: str) -> dict[str, object]:
        """Python's logging, as `logging.config.dictConfig` takes it."""
        file = {"class": "logging.FileHandler", "filename": str(self.path), "delay": True, "formatter": "plain"}
        terminal = {"class": "logging.StreamHandler", "formatter": "plain"}
        handlers = {"file": file} if self.kept else {"file": file, "terminal": terminal}
        return {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"plain": {"format": FORMAT}},
            "handlers": handlers,
            "loggers": {"vllm": {"level": level, "handlers": list(handlers), "propagate": False}},
        }

    def death(self, exit_codes: Iterable[int | None]) -> Cause | None:
        """What the engine died of, None where neither its log nor how its processes ended says anything."""
        written = self._written()
        log = path_from_here(self.path) if self.kept and written else None
        worker = EXIT_CODE.search(written)  # what the engine says after that is no cause
        codes = [int(worker[1])] if worker else [code for code in exit_codes if code]
        if exception := root_exception(written[: worker.start()] if worker else written):
            return Cause(exception, certain=not MAY_PASS.search(exception), log=log, remedy=_remedy(exception))
        return self._hard_death(codes[0], log) if codes else None

    def _written(self) -> str:
        """What the engine's processes wrote, without what this one did: its vLLM only knows that there is an end."""
        if not self.path.exists():
            return ""
        records = RECORD.split(self.path.read_text(encoding="utf-8", errors="replace"))
        return "".join(record for record in records if not re.match(rf"\S+ \S+ \S+ \S+ {os.getpid()} ", record))

    def _hard_death(self, code: int, log: str | None) -> Cause:
        if code > 0:
            return Cause(f"it ended with exit code {code} and left no exception in its log", log=log, remedy=READ_IT)
        text = f"it was killed by signal {-code}" + (f" ({NAMES[-code]})" if -code in NAMES else "")
        killed = _killed_for_memory() - self.killed_before if -code == signal.SIGKILL else 0
        if killed:
            text += f": the machine had no memory left, and its kernel killed {killed} of the processes"
        elif -code in SIGNALS:
            text += f": {SIGNALS[-code]}"
        remedy = more_memory() if -code == signal.SIGKILL else READ_IT
        return Cause(text, certain=-code == signal.SIGILL, log=log, remedy=remedy)


def root_exception(log: str) -> str | None:
    """The last exception of a log that points to no other one, as Python prints it: its type and its text."""
    roots = [
        exception
        for record in RECORD.split(log)
        if (exception := _exception(record)) and not ELSEWHERE.search(exception)
    ]
    return roots[-1] if roots else None


def _exception(record: str) -> str | None:
    """The exception that a record of a log ends with."""
    _, marker, traceback = record.rpartition(TRACEBACK)
    if not marker:
        return None
    lines = traceback.splitlines()
    begin = next((number for number, line in enumerate(lines) if line and not line.startswith(" ")), None)
    if begin is None:  # cut off while it was written
        return None
    message = " ".join(line.strip() for line in lines[begin:])
    return message if len(message) <= SHOWN else message[: SHOWN - 1] + "…"


def _killed_for_memory() -> int:
    """How many processes of this machine the kernel has killed for want of memory, since it started."""
    path = Path("/proc/vmstat")
    counts = dict(line.split() for line in path.read_text().splitlines()) if path.exists() else {}
    return int(counts.get("oom_kill", 0))


def _remedy(exception: str) -> str:
    """What to do where an engine died of this exception."""
    if SHORT_OF_MEMORY.search(exception):
        return f"{more_memory()}, then {AGAIN}"
    return _mend() if DAMAGED.search(exception) else READ_IT


def _mend() -> str:
    """What to do where a part of the environment is missing."""
    folder = Path(sys.prefix)
    again = f"remove {path_from_here(folder)}, then {AGAIN}" if (folder / "ready.txt").exists() else "make it anew"
    return f"the environment may be damaged: {again}. `{CHECK}` says whether it is whole and fits this processor"


@cache
def _passing_folder() -> "TemporaryDirectory[str]":
    """Where a command logs whose own log is the terminal; it ends with the command."""
    return TemporaryDirectory(prefix="dreamr-engines-")
