"""What other processes do to the machine while something is timed: by hand, and beside a process that is nobody's."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pytest

from dreamr.machine.background import Background

BUSY = "import time\nend = time.monotonic() + 30\nwhile time.monotonic() < end: pass"
# Its starter ends at once, so that the process is below nobody here.
STARTER = "import subprocess as s, sys; print(s.Popen([sys.executable, '-c', sys.argv[1]], stdout=-3, stderr=-3).pid)"


@pytest.fixture
def someone_else() -> Iterator[None]:
    """A process that computes and is not below this one."""
    told = subprocess.run([sys.executable, "-c", STARTER, BUSY], check=True, capture_output=True, text=True)
    yield
    os.kill(int(told.stdout), signal.SIGKILL)


def cores_busy(seconds: float) -> float:
    """Cores that others kept busy while this process waited."""
    found = Background()
    time.sleep(seconds)
    return found.share() * psutil.cpu_count()


def test_a_process_beside_is_seen(someone_else: None) -> None:
    assert cores_busy(2.0) > 0.2, "it has a core to itself, or its share of a busy machine's"


@pytest.mark.parametrize(
    ("others", "stolen", "share"), [(0.0, 0.0, 0.0), (3.0, 0.0, 0.15), (1.0, 1.0, 0.1), (-1.0, 0.0, 0.0)]
)
def test_own_work_and_that_of_ended_children_is_no_one_elses(
    monkeypatch: pytest.MonkeyPatch, others: float, stolen: float, share: float
) -> None:
    """Two cores for ten seconds: five seconds own, of them two by a child that has ended; `guest` is in `user`.

    Another child ends whenever it is looked at.
    """
    spent = {"own": 100.0, "ended": 0.0, "user": 1000.0, "idle": 5000.0, "steal": 0.0}

    def gone() -> None:
        raise psutil.NoSuchProcess(1)

    children = [SimpleNamespace(cpu_times=gone)]
    own = SimpleNamespace(
        cpu_times=lambda: (spent["own"], 0.0, spent["ended"], 0.0, 99.0), children=lambda recursive: children
    )
    monkeypatch.setattr(psutil, "Process", lambda: own)
    machine = {"system": 0.0, "iowait": 7.0, "guest": 50.0}
    names = ("user", "idle", "steal")
    times = lambda: SimpleNamespace(_asdict=lambda: machine | {name: spent[name] for name in names})  # noqa: E731
    monkeypatch.setattr(psutil, "cpu_times", times)
    found = Background()
    spent["own"] += 3
    spent["ended"] += 2
    spent["user"] += 5 + others
    spent["steal"] += stolen
    spent["idle"] += 20 - 5 - others - stolen
    assert found.share() == pytest.approx(share)
    assert Background().share() == 0, "no time has gone by"
