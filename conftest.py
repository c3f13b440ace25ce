"""Settings of all tests, and which of them run in which environment.

Tests marked `models` run where vLLM is (environments/models), all others in the light environment.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings

# As in the workflow's jobs: torch reads the threads, compiling vLLM anew takes ten seconds in each process, and the
# environments of the models know this package by its path alone. Processes that tests start inherit all of it.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
os.environ["PYTHONPATH"] = str(Path(__file__).parent / "src")
sys.dont_write_bytecode = False
# A shell has what runs in its background ignore Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("dreamr", deadline=None)  # a busy machine is no failure
settings.register_profile("quick", deadline=None, max_examples=25)  # of the tests that name no number of their own
settings.load_profile("dreamr")
# Groups of tests that take minutes, before all others: a worker that begins with one at the end works on alone. Slurm's
# mostly wait; beside the smoke run, which times answers, stands what takes one core.
LONGEST = (
    *("slurm", "smoke", "test_scales.py", "test_workflow.py", "test_smoke.py", "test_broken_engine.py"),
    *("test_training.py", "test_vllm_engine.py", "test_remote.py", "test_families.py", "test_instructions.py"),
    *("test_studies.py", "test_report.py", "test_tables.py"),
)

LIGHT = find_spec("snakemake") is not None
MODELS = find_spec("vllm") is not None


@pytest.fixture(autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """Commands that tests call in this process end it deaf to Ctrl-C, which is right for the end of a process only."""
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Runs what engines do: all of a module in one event loop, to which they belong."""
    with asyncio.Runner() as runner:
        yield runner.run


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Without the light environment's packages, files that hold no test of models could not even be imported."""
    if LIGHT or not collection_path.name.startswith("test_"):
        return None
    return True if "mark.models" not in collection_path.read_text(encoding="utf-8") else None


@pytest.hookimpl(tryfirst=True)  # before the hook in which pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "long" not in config.option.markexpr:  # what takes too long for every day: python -m pytest -m long
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    if not MODELS:
        elsewhere = pytest.mark.skip(reason="needs the models environment: environments/models/bin/python -m pytest")
        for item in items:
            if item.get_closest_marker("models"):
                item.add_marker(elsewhere)
    items.sort(key=_place)


def _group(item: pytest.Item) -> str:
    """Tests that one of several workers (`-n 2`) runs: of a file, on a Slurm, or on the smoke run."""
    if item.get_closest_marker("cluster"):
        return "slurm"  # of which a machine has one
    return "smoke" if "smoke" in getattr(item, "fixturenames", ()) else item.path.name


def _place(item: pytest.Item) -> tuple[int, bool]:
    """Workers take up groups in this order; of Slurm's tests those come last that need the smoke run too."""
    group = _group(item)
    return LONGEST.index(group) if group in LONGEST else len(LONGEST), item.path.name == "test_cluster.py"


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the smoke run on this machine: one for all workers."""
    from projects import run_smoke

    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "smoke"
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            folder.mkdir(exist_ok=True)
            run_smoke(folder)
            (folder / "made").touch()
    return folder / "results"


@pytest.fixture(scope="session")
def invented_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a page made from invented scores."""
    from pages import hostile, page

    folder = tmp_path_factory.mktemp("report")
    page(hostile(), folder)
    return folder


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All tables of invented scores."""
    from summarised import everything, written

    return written(tmp_path_factory.mktemp("summarise"), everything()[1])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("not run: needs the right to mount")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)
