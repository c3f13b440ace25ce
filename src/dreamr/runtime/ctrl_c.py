"""What Snakemake does at Ctrl-C, which a terminal sends to it and to all its jobs.

By itself Snakemake waits for its jobs at the first Ctrl-C, and leaves at the second, with its lock removed and its jobs
at work: another call of it starts then, and asks for the same files. Here it says what happens, and waits at the second
as well. At the third it kills what is left of its jobs.
"""

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event

import psutil

from dreamr.runtime.stops import Stops, say, stop_signals

LOCAL = """
Ctrl-C: no new job starts, and Snakemake waits for those that run. Each ends by itself and keeps what it has: a
training finishes its batch and writes a checkpoint, answers are kept one by one. Run the same command again to go on.
Ctrl-C again ends the jobs at once; within two seconds it is taken for the same press.
"""
CLUSTER = """
Ctrl-C: no new job starts, and Snakemake cancels those of the queue. What they have kept stays. Run the same
command again to go on.
"""
AGAIN = "\nCtrl-C again: the jobs on this machine end at once, and Snakemake waits for that. A third time kills them.\n"
PRESSED = Event()  # set once the user has stopped this run
KILLED = "\nCtrl-C for the third time: what is left of the jobs on this machine is killed.\n"


def explain_ctrl_c(running: Callable[[], Sequence[str]], local: bool) -> None:
    """Have this process, Snakemake's, say what Ctrl-C does, and wait for its jobs whatever comes.

    `running` gives a line for each job that runs, `local` says whether they run on this machine.
    """
    if signal.SIGINT in stop_signals():
        presses = _Presses(running, local)
        signal.signal(signal.SIGINT, Stops(presses.first, presses.again))


class _Presses:
    """What Snakemake does at each Ctrl-C."""

    def __init__(self, running: Callable[[], Sequence[str]], local: bool) -> None:
        self._running, self._local = running, local
        self._jobs: set[psutil.Process] = set()

    def first(self) -> None:
        PRESSED.set()
        say((LOCAL if self._local else CLUSTER) + "".join(f"  {line}\n" for line in self._running()))
        raise KeyboardInterrupt

    def again(self) -> None:
        """The processes are noted while they have their parents; at the third time some may have lost theirs."""
        third = bool(self._jobs)
        self._jobs |= {*psutil.Process().children(recursive=True)}
        say(KILLED if third else AGAIN)
        for process in self._jobs if third else ():
            with suppress(psutil.NoSuchProcess):  # it has ended
                process.kill()
