"""Told to stop: by a cluster (SIGTERM), or by Ctrl-C in a terminal (SIGINT), which tells every process of a run.

Told once, a job finishes what it must not lose and ends; told again, it ends at once.
"""

import os
import signal
import time
from collections.abc import Callable

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ONE_PRESS = 2.0  # seconds: a terminal, and what passes signals on (timeout, torchrun), may tell a process twice at once


class Stops:
    """Requests to stop: `first` is called at once, `again` for every one that comes later than the same press."""

    def __init__(self, first: Callable[[], object], again: Callable[[], object]) -> None:
        self._first, self._again = first, again
        self._last: float | None = None

    def __call__(self, *_: object) -> None:
        """Hear one request; a signal handler."""
        before, self._last = self._last, time.monotonic()
        if before is None:
            self._first()
        elif self._last - before > ONE_PRESS:
            self._again()

    def hear(self) -> None:
        """Be the handler of all SIGNALS that this process listens to."""
        for number in stop_signals():
            signal.signal(number, self)


def stop_signals() -> list[signal.Signals]:
    """The SIGNALS that this process does not ignore: a shell has what runs in its background ignore Ctrl-C."""
    return [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]


def say(words: str) -> None:
    """Write to stderr from within a signal handler, which may have interrupted a print."""
    os.write(2, words.encode())
