"""Where what a process and its children print goes."""

import io
import os
import re
import stat
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from dreamr.errors import Died, UserError
from dreamr.runtime.starts import SUFFIX

LEAST_SECONDS, MOST_SECONDS = 1.0, 60.0  # between two lines of a progress bar in a log
GROWTH = 0.1  # that pause as a share of the time that the bar is there
COUNTS = re.compile(r"(\S+)/(\S+) \[")  # of what is done, and of all
CURSOR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # how bars move between lines of a terminal


@contextmanager
def output_to(log: Path) -> Iterator[TextIO]:
    """Send what this process and those that it starts print to `log`; what is written to the yielded file is seen.

    Libraries and engines print by themselves, so the descriptors are changed, not Python's streams. A failure that has
    no words of its own leaves its traceback in the log, and is a UserError that names it. Behind a good end
    stderr stays with the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    own = {number: os.dup(number) for number in (1, 2)}
    try:
        with log.open("w", encoding="utf-8") as file, os.fdopen(os.dup(1), "w") as terminal:
            _lead(dict.fromkeys(own, file.fileno()))
            yield terminal
        os.close(own.pop(2))  # engines print while Python ends, too: behind a good end that stays in the log
    except UserError:
        raise
    except Died as error:
        traceback.print_exc()
        raise UserError(error.words, error.cause) from error
    except Exception as error:
        traceback.print_exc()
        raise UserError(f"{type(error).__name__}: {error}; more is told in {log}") from error
    finally:
        _lead(own)
        for descriptor in own.values():
            os.close(descriptor)


def own_log() -> Path | None:
    """The file that this process's stderr goes to, if it is one, by the name that its rule has for it."""
    link, status = Path("/proc/self/fd/2"), os.fstat(2)
    if not stat.S_ISREG(status.st_mode) or not link.is_symlink():
        return None
    path = link.readlink()
    named = path.with_suffix("") if path.suffix == SUFFIX else path
    return next((file for file in (named, path) if file.exists() and os.path.samestat(status, file.stat())), None)


def path_from_here(path: Path) -> str:
    """A path as a user would write it here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def print_lines() -> None:
    """Where output goes to a log, let it come at once, and be lines."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    if not sys.stderr.isatty() and not isinstance(sys.stderr, Lines):
        sys.stderr = Lines(sys.stderr)


class Lines(io.TextIOBase):
    """A stream whose progress bars, which rewrite their line by carriage returns, print a line now and then.

    That is once a second when a bar begins, later once a minute, and at its end. A bar below another one prints none.
    All else is printed as it is.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Bar | None = None
        self._broken = False  # behind the bar came a line break: its end, or the way to a bar below it
        self._next = ""  # what a bar showed behind that break
        self._unfinished = False  # a line of other text

    def write(self, text: str) -> int:
        plain = CURSOR.sub("", text).replace("\r\n", "\n")
        shown = plain.rpartition("\r")[2].rstrip() if "\r" in plain and "\n" not in plain else None
        if not plain:
            if text:  # the cursor goes up, so what came behind the break was a bar below
                self._broken, self._next = False, ""
            return len(text)
        if self._broken and (shown is None or (shown and self._next)):
            self._end_bar()
        if shown is not None:
            self._show(shown)
        elif self._bar and not plain.strip() and not self._unfinished:
            self._bar.end()
            self._broken = True
        else:
            self._stream.write(plain.replace("\r", ""))
            self._unfinished = not plain.endswith("\n")
        return len(text)

    def _show(self, shown: str) -> None:
        if self._broken:
            self._next = shown
        else:
            self._bar = self._bar or Bar(self._stream)
            self._bar.show(shown)

    def _end_bar(self) -> None:
        """The break was the bar's end; what was shown behind it is the next bar."""
        self._bar = Bar(self._stream) if self._next else None
        if self._bar:
            self._bar.show(self._next)
        self._broken, self._next = False, ""

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True


class Bar:
    """A progress bar, printed in lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun = time.monotonic()
        self._printed_at = -MOST_SECONDS
        self._shown = ""
        self._printed: list[str] = []

    def show(self, line: str) -> None:
        """What the bar shows now; "" while it makes room for other text."""
        self._shown = line
        if self._due:
            self._print()

    def end(self) -> None:
        """A line break follows: print the state where it is the last one."""
        counts = COUNTS.search(self._shown)
        if self._due or counts is None or counts[1] == counts[2]:
            self._print()

    @property
    def _due(self) -> bool:
        now = time.monotonic()
        return now - self._printed_at >= min(MOST_SECONDS, max(LEAST_SECONDS, GROWTH * (now - self._begun)))

    def _print(self) -> None:
        """Print the state, unless no more is done than in the line before."""
        done = COUNTS.split(self._shown)[:-1] or [self._shown]
        if self._shown and done != self._printed:
            self._stream.write(self._shown + "\n")
            self._printed, self._printed_at = done, time.monotonic()


def _lead(descriptors: Mapping[int, int]) -> None:
    """Let stdout (1) and stderr (2) be other descriptors, and nothing that was printed before be sent there."""
    for number, descriptor in descriptors.items():
        {1: sys.stdout, 2: sys.stderr}[number].flush()
        os.dup2(descriptor, number)
