"""What other processes did to this machine while something was timed."""

import psutil


class Background:
    """The share of the machine's CPU time that went to processes outside this one's tree since this was made.

    A virtual machine's stolen time is in it. Linux counts the machine's time in steps of 10 ms for each core, so over
    less than a second the share is rough; a mean over many answers is not.
    """

    def __init__(self) -> None:
        self._total, self._busy = _machine_seconds()
        self._own = _own_seconds()

    def share(self) -> float:
        """Between 0 and 1; 0 where no time has gone by."""
        total, busy = _machine_seconds()
        others = busy - self._busy - (_own_seconds() - self._own)
        return min(max(others / (total - self._total), 0.0), 1.0) if total > self._total else 0.0


def _machine_seconds() -> tuple[float, float]:
    """CPU seconds of all cores since the start of the machine: all of them, and those in which a core was not idle."""
    times = psutil.cpu_times()._asdict()
    total = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)  # user and nice hold these
    return total, total - times["idle"] - times.get("iowait", 0.0)


def _own_seconds() -> float:
    """CPU seconds of this process and all below it, ended ones that their parent has waited for included."""
    own = psutil.Process()
    return sum(map(_spent, (own, *own.children(recursive=True))))


def _spent(process: psutil.Process) -> float:
    """CPU seconds of a process and of its ended children."""
    try:
        return sum(process.cpu_times()[:4])
    except psutil.NoSuchProcess:  # it has ended since it was listed: the next reading finds its seconds with its parent
        return 0.0
