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

LEAST_SECONDS, MOST_SECONDS = 1.0, 60.0  # between two lines of a progress bar in a log
GROWTH = 0.1  # that pause as a share of the time that the bar is there
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
    """The file that this process's stderr goes to, if it is one."""
    link, found = Path("/proc/self/fd/2"), os.fstat(2)
    if not stat.S_ISREG(found.st_mode) or not link.is_symlink():
        return None
    path = link.readlink()
    return path if path.exists() and os.path.samestat(found, path.stat()) else None


def shown(path: Path) -> str:
    """A path as a user would write it here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def print_lines() -> None:
    """Where output goes to a log, let it come at once, and be lines."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    if not sys.stderr.isatty():
        sys.stderr = Lines(sys.stderr)


class Lines(io.TextIOBase):
    """A stream whose progress bars, which rewrite their line by carriage returns, print a line now and then.

    That is once a second when a bar begins, later once a minute, and at its end. All else is printed as it is.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Bar | None = None
        self._unfinished = False  # a line of other text

    def write(self, text: str) -> int:
        plain = CURSOR.sub("", text).replace("\r\n", "\n")
        if "\r" in plain and "\n" not in plain:
            self._bar = self._bar or Bar(self._stream)
            self._bar.show(plain.rpartition("\r")[2].rstrip())
        elif self._bar and not plain.strip() and not self._unfinished:
            if "\n" in plain:  # a bar's end; what is empty only moved the cursor
                self._bar.end()
                self._bar = None
        else:
            self._stream.write(plain.replace("\r", ""))
            self._unfinished = not plain.endswith("\n")
        return len(text)

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
        self._printed = self._shown = ""

    def show(self, line: str) -> None:
        """What the bar shows now; "" while it makes room for other text."""
        now = time.monotonic()
        pause = min(MOST_SECONDS, max(LEAST_SECONDS, GROWTH * (now - self._begun)))
        self._shown = line
        if now - self._printed_at >= pause:
            self.end()

    def end(self) -> None:
        """Print the last state, unless it is printed."""
        if self._shown and self._shown != self._printed:
            self._stream.write(self._shown + "\n")
            self._printed, self._printed_at = self._shown, time.monotonic()


def _lead(descriptors: Mapping[int, int]) -> None:
    """Let stdout (1) and stderr (2) be other descriptors, and nothing that was printed before be sent there."""
    for number, descriptor in descriptors.items():
        {1: sys.stdout, 2: sys.stderr}[number].flush()
        os.dup2(descriptor, number)
