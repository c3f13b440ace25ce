"""Why the jobs of a run ended: one small file for each that failed, for the terminal and for jobs that begin later.

A run is one call of Snakemake. Its workflow names a folder in the environment, which jobs inherit, those of a cluster
too, and which no other run has. Where no run is named, as in a command that a user calls, nothing is noted.
"""

import hashlib
import json
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from dreamr.errors import Cause, Died, Interrupted, UserError
from dreamr.files import write_atomically
from dreamr.runtime.output import own_log, path_from_here, print_lines
from dreamr.runtime.processes import first_rank

RUN = "DREAMR_RUN"
COMMAND = "dreamr.__main__"  # the module that a job runs; its first argument names what it does
ENOUGH = 2  # jobs of a rule that ended for the same certain cause; the next one would, too
DO_IT = "do what the message says, then run the same command again"
AGAIN = "run the same command again"
TO_GO_ON = f"{AGAIN} to go on"
SHORT_OF_MEMORY = re.compile(r"[Aa]llocate memory|\bMemoryError\b|bad_alloc")  # of the machine, not of a GPU
PACKAGE = Path(__file__).parents[1]
STOPPED = Cause("told to stop", stopped=True, remedy=TO_GO_ON)


@dataclass(frozen=True)
class Ended:
    """How a job ended that failed."""

    rule: str
    log: str | None  # the job's own, absolute; None where its stderr is no file
    said: str  # its last words
    cause: Cause
    held_back: bool = False  # it did not begin, since others had failed


@dataclass(frozen=True)
class Job:
    """This process as a job of a run."""

    rule: str
    folder: Path
    log: str | None

    @property
    def path(self) -> Path:
        """Where it notes how it ended: a file of its own, the same one when it is started again."""
        return note_path(self.folder, self.log or " ".join(sys.argv))


def note_path(folder: Path, log: str) -> Path:
    """Where the job with this log notes how it ended."""
    return folder / f"{hashlib.sha256(os.path.realpath(log).encode()).hexdigest()[:16]}.json"


def new_run(logs: Path) -> dict[str, str]:
    """The environment of a run whose logs are in this folder. The run's own folder comes with the first failure."""
    return {RUN: str((logs / "causes" / f"{datetime.now():%Y-%m-%dT%H%M%S}-{os.getpid()}").absolute())}


def ended(folder: Path) -> list[Ended]:
    """The jobs of the run of this folder that have failed so far."""
    return [note for path in sorted(folder.glob("*.json")) if (note := read_note(path))]


def read_note(path: Path) -> Ended | None:
    """None where there is none, also as a job that is started again has taken it back."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Ended(**{**row, "cause": Cause(**row["cause"])})


def this_job() -> Job | None:
    """None where this process is no job of a run, but a command that somebody called, or Snakemake itself."""
    module = getattr(sys.modules["__main__"], "__spec__", None)
    if RUN not in os.environ or module is None or module.name != COMMAND:
        return None
    log = own_log()
    return Job(sys.argv[1].replace("-", "_"), Path(os.environ[RUN]), str(log) if log else None)


@contextmanager
def noted() -> Iterator[None]:
    """Has a job log in lines, note what ends it, and not begin where that is known already. Around all that it does."""
    job = this_job()
    if job is None:
        yield
        return
    print_lines()
    _hold_back(job)
    try:
        yield
    except (Exception, Interrupted, KeyboardInterrupt, SystemExit) as error:
        note(error)
        raise


def note(error: BaseException) -> None:
    """Note that this job ends by `error`. Of a training's processes the first one does."""
    job = this_job()
    if job and first_rank() and (cause := cause_of(error)):
        _write(job, Ended(job.rule, job.log, _last_words(error) or cause.text, cause))


def cause_of(error: BaseException) -> Cause | None:
    """What ended a command: what the first of its errors says that knows. None for an end that no error led to."""
    links = list(_chain(error))
    if known := next((link.cause for link in links if isinstance(link, UserError | Died) and link.cause), None):
        return known
    if died := next((link for link in links if isinstance(link, Died)), None):
        return Cause(" ".join(str(died).split()), remedy=AGAIN)
    if any(isinstance(link, Interrupted | KeyboardInterrupt) for link in links):
        return STOPPED
    if wrong := next((link for link in links if isinstance(link, UserError)), None):
        return Cause(" ".join(str(wrong).split()), certain=True, remedy=DO_IT)
    other = next((link for link in links if not isinstance(link, SystemExit)), None)
    return _unknown(" ".join(f"{type(other).__name__}: {other}{_own_line(other)}".split())) if other else None


def _own_line(error: BaseException) -> str:
    """The last line of a module of a user's own that led to it, " (gate.py, line 12)"; empty where none did."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_file() and not _installed(Path(frame.filename))]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def _installed(file: Path) -> bool:
    """Whether a file is of this package, of Python or of a package beside them."""
    return any(file.is_relative_to(root) for root in (PACKAGE, sys.prefix, sys.base_prefix))


def _unknown(text: str) -> Cause:
    """An error that no words were made for."""
    return Cause(text, remedy=f"{more_memory()}, then {AGAIN}") if SHORT_OF_MEMORY.search(text) else Cause(text)


def more_memory() -> str:
    """What to do where memory was short, with what is known of it."""
    import resource  # which Windows does not have; this module is read there, too

    held = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    known = f"an ended process held up to {held:.1f} GB"
    path = Path("/proc/meminfo")
    if free := re.search(r"^MemAvailable: +(\d+) kB", path.read_text() if path.exists() else "", re.MULTILINE):
        known += f", {int(free[1]) / 1e6:.1f} GB are free now"
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        known += f", `ulimit -v` lets a process have {limit / 1e9:.1f} GB"
    return f"give the job more memory ({known}), or run fewer jobs at once (--cores 1)"


def _last_words(error: BaseException) -> str | None:
    """What the job says at its end, where it has words of its own."""
    for link in _chain(error):
        if isinstance(link, Died):
            return link.words
        if isinstance(link, UserError | Interrupted) and not isinstance(link.__cause__, Interrupted):
            return str(link)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _hold_back(job: Job) -> None:
    """A UserError where enough jobs of this rule have ended for the same certain cause."""
    ends = [end for end in ended(job.folder) if end.rule == job.rule and end.cause.certain and not end.held_back]
    for cause in (end.cause for end in ends):
        same = [end for end in ends if end.cause.text == cause.text]
        if len(same) >= ENOUGH:
            logs = ", ".join(sorted(path_from_here(Path(end.log)) for end in same if end.log)[:ENOUGH])
            message = f"not started: {len(same)} {job.rule} jobs of this run ended alike ({logs}): {cause.text}"
            if first_rank() and not job.path.exists():
                _write(job, Ended(job.rule, job.log, message, cause, held_back=True))
            raise UserError(message, cause)
    if first_rank():
        job.path.unlink(missing_ok=True)


def _write(job: Job, how: Ended) -> None:
    with suppress(OSError):  # a full disk may be the very cause; the job's log says it, too
        write_atomically(job.path, json.dumps(asdict(how), indent=1) + "\n")
