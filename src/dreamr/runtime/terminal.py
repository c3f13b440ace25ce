"""What the terminal tells of a run: a line for each job that begins or ends, and what it came to.

That is where the page is; or what failed and why, and what was stopped.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from dreamr.errors import Cause
from dreamr.runtime.causes import STOPPED, TO_GO_ON, Ended, note_path, read_note
from dreamr.runtime.ctrl_c import PRESSED
from dreamr.runtime.forecast import Forecast, crowded, speedups
from dreamr.runtime.output import path_from_here

WIDTH = 400  # characters of a cause
MOST_CAUSES = 4  # in the summary: with four lines each and four at its ends it has at most 20
UNKNOWN = "it left no word"
PAGE = "report"  # the rule that makes the page
ANSWERS = "generate"  # the rule whose output has the times of answers


@dataclass(frozen=True)
class Failure:
    """A job that failed."""

    name: str
    rule: str
    log: str  # as a user would write it; "" where the rule has none
    how: Ended

    @property
    def cause(self) -> str:
        """Equal for jobs that failed for the same cause."""
        return self.how.cause.text

    @property
    def stopped(self) -> bool:
        """Whether it was ended from outside."""
        return self.how.cause.stopped


class Started(NamedTuple):
    """A job that has begun."""

    rule: str
    values: str  # of its wildcards
    output: str  # the first; "" where it has none

    @property
    def name(self) -> str:
        return f"{self.rule} {self.values}".strip()


@dataclass
class Terminal:
    """The lines of one run. `causes` is the folder in which its jobs note how they ended, if it has one."""

    causes: Path | None = None
    total: int = 0
    done: int = 0
    failures: list[Failure] = field(default_factory=list)
    forecast: Forecast = field(default_factory=Forecast)
    _begun: float = field(default_factory=time.monotonic)
    _jobs: dict[int, Started] = field(default_factory=dict)
    _ending: list[Started] = field(default_factory=list)
    _pages: list[str] = field(default_factory=list)
    _first: str = ""  # what the first answers showed

    def started(self, job: int, rule: str, wildcards: Mapping[str, str], outputs: Sequence[str] = ()) -> str:
        """A job begins."""
        self._jobs[job] = Started(rule, "/".join(wildcards.values()), outputs[0] if outputs else "")
        self.forecast.running[rule] += 1
        return stamped(f"{self._jobs[job].name}: started")

    def finished(self, job: int) -> None:
        """A job is done; `progressed` tells it."""
        ended = self._jobs.get(job) or Started(f"job {job}", "", "")
        self._ending.append(ended)
        self.forecast.done[ended.rule] += 1
        self.forecast.running[ended.rule] -= 1
        if ended.rule == PAGE:
            self._pages.append(ended.output)

    def progressed(self, done: int, total: int) -> list[str]:
        """So many jobs are done."""
        self.done, self.total = done, total
        lines = [line for job in self._ending for line in self._done(job)]
        self._ending.clear()
        return lines

    def _done(self, job: Started) -> Iterator[str]:
        time_left = self.forecast.words(job.rule, time.monotonic() - self._begun)
        yield stamped(f"{job.name}: done, {self.done} of {self.total} jobs{time_left}")
        if job.rule == ANSWERS:
            yield from self._answers(job)

    def _answers(self, job: Started) -> Iterator[str]:
        """What the first timed answers show; and, of every job, that they were timed beside other work."""
        if not self._first:
            self._first = speedups(Path(job.output))
            if self._first:
                yield stamped(f"first result, {job.values}: {self._first}")
        if busy := crowded(Path(job.output)):
            yield stamped(f"{job.values}: {busy}")

    def failed(self, job: int, rule: str, logs: Sequence[str], said: str | None) -> str:
        """A job failed; `said` is what Snakemake's executor knows of that."""
        begun = self._jobs.get(job)  # a job that is held back never was
        name = begun.name if begun else rule
        self.forecast.running[rule] -= 1 if begun else 0
        log = path_from_here(Path(logs[0]).absolute()) if logs else ""
        failure = Failure(name, rule, log, self._how(rule, log, said))
        earlier = next((other for other in self.failures if other.cause == failure.cause), None)
        self.failures.append(failure)
        if failure.stopped:
            return stamped(f"{name}: stopped{one_line(failure.how.said).removeprefix(STOPPED.text)}")
        if earlier:
            outcome = "not started, as" if failure.how.held_back else "failed as"
            return stamped(f"{name}: {outcome} {earlier.name}; {log}")
        return stamped(f"{name}: failed: {one_line(failure.how.said)}; {log}")

    def _how(self, rule: str, log: str, said: str | None) -> Ended:
        """What the job noted itself; else that it was stopped, what the executor says, the last words of its log."""
        words = one_line(said or "") or last_line(log) or UNKNOWN
        unnoted = Ended(rule, log, STOPPED.text, STOPPED) if PRESSED.is_set() else Ended(rule, log, words, Cause(words))
        return self._noted(log) or unnoted

    def _noted(self, log: str) -> Ended | None:
        """The note of the job with this log."""
        return read_note(note_path(self.causes, log)) if self.causes and log else None

    def summary(self) -> list[str]:
        """Where the page is; or what was stopped, what failed, why and what to do, in at most 20 lines."""
        if not (self.failures or PRESSED.is_set()):
            return [f"The page: {page}" for page in self._pages]
        # Over a network's file system a note may come later than the end of its job.
        ended = [replace(failure, how=self._noted(failure.log) or failure.how) for failure in self.failures]
        lines = [*stops(ended), *causes([failure for failure in ended if not failure.stopped])]
        return [*lines, f"{self.done} of {self.total} jobs are done; {TO_GO_ON}."]


def stops(ended: Sequence[Failure]) -> Iterator[str]:
    """What was stopped, in a line; nothing where nobody stopped anything."""
    rules = counted(failure.rule for failure in ended if failure.stopped)
    if PRESSED.is_set() or rules:
        yield f"Stopped{' by Ctrl-C' if PRESSED.is_set() else ''}{f': {rules}' if rules else '.'}"


def causes(failures: Sequence[Failure]) -> Iterator[str]:
    """What failed, by its causes, those of most jobs first."""
    groups: dict[str, list[Failure]] = {}
    for failure in failures:
        groups.setdefault(failure.cause, []).append(failure)
    largest = sorted(groups.values(), key=len, reverse=True)
    if len(groups) > 1:
        yield f"{len(failures)} jobs failed, for {len(groups)} causes:"
    for group in largest[:MOST_CAUSES]:
        yield from cause_lines(group)
    if rest := [failure.log for group in largest[MOST_CAUSES:] for failure in group]:
        yield f"And {len(rest)} more, see {', '.join(rest[:3])}{', ...' if len(rest) > 3 else ''}"


def cause_lines(group: Sequence[Failure]) -> list[str]:
    """The jobs that failed for one cause, in four lines."""
    first = group[0]
    counts = [(counted(failure.rule for failure in group if failure.how.held_back is held)) for held in (False, True)]
    what = f"Failed: {counts[0] or 'nothing'}" + (f"; not started because of that: {counts[1]}" if counts[1] else "")
    logs = list(dict.fromkeys(filter(None, [first.how.cause.log, first.log])))
    return [
        what,
        f"  why: {one_line(first.cause)}",
        f"  log: {', '.join(logs) or 'none'}",
        f"  do:  {one_line(first.how.cause.remedy)}",
    ]


def counted(rules: Iterable[str]) -> str:
    """`12 train_sapo, 2 generate`."""
    names = list(rules)
    return ", ".join(f"{names.count(rule)} {rule}" for rule in dict.fromkeys(names))


def stamped(line: str) -> str:
    """A line with the time before it."""
    return f"{time.strftime('%a %H:%M:%S')}  {line}"


def one_line(text: str) -> str:
    """Words on one line, cut where they are too many for one."""
    words = " ".join(text.split())
    return words if len(words) <= WIDTH else words[: WIDTH - 1] + "…"


def last_line(log: str) -> str:
    """The last words of a log; "" where there are none."""
    path = Path(log)
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []
    return next((one_line(line.rpartition("\r")[2]) for line in reversed(lines) if line.strip()), "")
