"""Python in processes of their own that are forked from one which has imported what takes long.

A test that starts a command pays half a second for its imports, and one that starts Snakemake more than one.
"""

import faulthandler
import itertools
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from subprocess import TimeoutExpired
from tempfile import TemporaryDirectory
from typing import Any

LIBRARIES = ("snakemake.cli", "smart_open", "cyclopts", "rich.console", "pydantic", "pandas", "scipy.stats", "seaborn")
COMMANDS = ("app", "answer", "calibrate", "generate")
METHODS = ("target_only", "spec_decoding", "draft_only", "specreason", "fpsr")
SERVER = get_context("forkserver")  # has one thread, other than the process of the tests
SERVER.set_forkserver_preload(
    [*LIBRARIES, *(f"dreamr.cli.{name}" for name in COMMANDS), *(f"dreamr.methods.{name}" for name in METHODS)]
)
LONGEST = 900.0  # seconds: no command of a test takes half of it
TELL = signal.SIGUSR1  # has a process write to its stderr what each of its threads does
OUTPUT, NUMBERS = TemporaryDirectory(), itertools.count()


class Forked:
    """A function in a process of its own, with the methods of `subprocess.Popen`; `errors`: a file for its stderr."""

    def __init__(
        self,
        function: Callable[..., object],
        *given: Any,
        cwd: Path,
        env: Mapping[str, str],
        errors: Path | None = None,
    ) -> None:
        number = next(NUMBERS)
        printed, told = (Path(OUTPUT.name) / f"{number}.{name}" for name in ("stdout", "stderr"))
        self._output = [printed, errors or told]
        within = (cwd, dict(env), self._output, function, given)
        self._process = SERVER.Process(target=_within, args=within, daemon=True)
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutExpired(str(self._process), timeout or 0)
        return self.returncode

    def communicate(self, timeout: float = LONGEST) -> tuple[str, str]:
        try:
            self.wait(timeout)
        except TimeoutExpired as error:
            self.send_signal(TELL)
            time.sleep(1)
            raise AssertionError("\n".join([f"not ended after {timeout} s", *self._written()])) from error
        printed, errors = self._written()
        return printed, errors

    def _written(self) -> list[str]:
        return [path.read_text(encoding="utf-8") for path in self._output]

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def module(name: str, words: Sequence[str]) -> None:
    """As `python -m`."""
    sys.argv = [name, *words]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def in_place_of(project: Path, folders: Sequence[Path]) -> None:
    """Import from these folders what is imported from the project now."""
    files = {name: getattr(loaded, "__file__", None) or "" for name, loaded in sys.modules.items()}
    for name in [name for name, file in files.items() if file.startswith((f"{project}/src/", f"{project}/tests/"))]:
        del sys.modules[name]
    left = {str(project / name) for name in ("", "src", "tests")}
    sys.path[:] = [*map(str, folders), *(path for path in sys.path if path not in left)]


def _within(
    cwd: Path, env: Mapping[str, str], output: list[Path], function: Callable[..., object], given: tuple[Any, ...]
) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate(output, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    faulthandler.register(TELL)
    function(*given)
