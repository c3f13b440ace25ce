"""Why a job ended: what a dead engine says, what a job notes, and that no third job dies of the same."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from forks import Forked, module

from dreamr.engines.protocol import EngineDied
from dreamr.engines.vllm.logs import EngineLog, root_exception
from dreamr.errors import Cause, Interrupted, UserError
from dreamr.runtime.causes import RUN, cause_of, ended, new_run, note_path
from dreamr.runtime.endings import exit_or_requeue
from dreamr.runtime.starts import BEGIN, SUFFIX

GEMM = "AttributeError: '_OpNamespace' '_C' object has no attribute 'gemm'"
LAST_WORDS = {
    "operator": GEMM,
    "below": "RuntimeError: weights are missing: layer 1",
    "worker_killed": "it was killed by signal 9 (SIGKILL): often the machine had no memory left",
    "killed": "it was killed by signal 9 (SIGKILL): often the machine had no memory left",
    "instruction": "it was killed by signal 4 (SIGILL): it met an instruction that this processor does not have",
    "exit": "it ended with exit code 3 and left no exception in its log",
}


def dies(folder: Path, method: str, how: str) -> str:
    """The log of a job whose engine dies so."""
    log = folder / "logs" / "job.log"
    log.parent.mkdir()
    with log.open("w") as out:
        command = [sys.executable, str(Path(__file__).with_name("dying.py")), str(folder), method, how]
        done = subprocess.run(command, cwd=folder, stdout=out, stderr=out, check=False)
    assert done.returncode == 1
    return log.read_text()


@pytest.mark.parametrize("how", LAST_WORDS)
def test_the_last_line_of_a_job_is_what_its_engine_died_of(tmp_path: Path, how: str) -> None:
    said = dies(tmp_path, "fork", how).splitlines()[-1]
    died = f"the engine of big died: {LAST_WORDS[how]}"
    written = how in ("operator", "below", "worker_killed")
    assert said == (f"{died}; its log: logs/job.engines/big.log" if written else died)
    if how == "operator":
        assert GEMM in (tmp_path / "logs/job.engines/big.log").read_text()


def test_a_log_that_goes_on_over_restarts_has_the_name_of_its_rule(tmp_path: Path) -> None:
    """So its engines' logs lie beside it where the documentation says, and the terminal finds what the job noted."""
    log = tmp_path / "q3vl-2l.balanced.q3vl-deep.log"
    read = "from dreamr.runtime.output import own_log; print(own_log())"
    begun = f'{BEGIN} "{log}"; "{sys.executable}" -c "{read}" 2>> "{log}"'
    assert subprocess.run(["sh", "-c", begun], capture_output=True, text=True, check=True).stdout == f"{log}\n"
    assert note_path(tmp_path, str(log)) == note_path(tmp_path, f"{log}{SUFFIX}")


def test_an_engine_that_is_no_fork_logs_the_same(tmp_path: Path) -> None:
    assert f"the engine of big died: {GEMM}; its log: " in dies(tmp_path, "spawn", "operator").splitlines()[-1]


def test_a_kill_for_want_of_memory_is_told_where_the_kernel_tells_it(tmp_path: Path) -> None:
    log = EngineLog(tmp_path / "big.log", kept=True)
    ended_before = EngineLog(tmp_path / "big.log", kept=True, killed_before=log.killed_before - 2)
    cause = ended_before.death([-9])
    assert cause and "the machine had no memory left, and its kernel killed 2 of the processes" in cause.text
    assert "give the job more memory" in cause.remedy and not cause.certain
    assert log.death([None]) is None


@pytest.mark.parametrize(
    ("told", "certain"),
    [
        ("ValueError: no such layer", True),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", False),
        ("RuntimeError: NCCL error: unhandled system error", False),
        ("ConnectionResetError: [Errno 104] Connection reset by peer", False),
    ],
)
def test_only_what_another_try_would_repeat_is_certain(tmp_path: Path, told: str, certain: bool) -> None:
    log = EngineLog(tmp_path / "big.log", kept=True)
    log.path.write_text(f"ERROR 2026-11-29 02:00:00,000 EngineCore 1 vllm.core:1 fatal\n{traceback(told)}")
    cause = log.death([1])
    assert cause and (cause.text, cause.certain, cause.log) == (told, certain, str(log.path))


@pytest.mark.parametrize(
    ("told", "remedy"),
    [
        (GEMM, "the environment may be damaged: remove environments/models-cpu-0123456789, then run the same command"),
        ("ModuleNotFoundError: No module named 'vllm._C'", "the environment may be damaged: remove environments/"),
        ("RuntimeError: [enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory", "more memory"),
        ("OSError: [Errno 12] Cannot allocate memory", "give the job more memory"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", "read the engine's log"),
        ("ValueError: no such layer", "read the engine's log; `.venv/bin/dreamr check` says"),
    ],
)
def test_what_to_do_fits_what_an_engine_died_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, remedy: str
) -> None:
    environment = tmp_path / "environments/models-cpu-0123456789"
    environment.mkdir(parents=True)
    (environment / "ready.txt").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "prefix", str(environment))
    log = EngineLog(tmp_path / "big.log", kept=True)
    log.path.write_text(f"ERROR 2026-11-29 02:00:00,000 EngineCore 1 vllm.core:1 fatal\n{traceback(told)}")
    cause = log.death([1])
    assert cause and remedy in cause.remedy


def test_want_of_memory_is_told_of_a_job_without_an_engine(tmp_path: Path) -> None:
    """With the limit that a shell may have set."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (8 * 10**9, -1)); "
        "from dreamr.runtime.causes import cause_of; "
        "print(cause_of(OSError(12, 'Cannot allocate memory')).remedy)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("give the job more memory (") and "`ulimit -v` lets a process have 8.0 GB" in said


def traceback(told: str) -> str:
    return f'Traceback (most recent call last):\n  File "core.py", line 1, in run\n    run()\n    ^^^^^\n{told}\n'


def test_the_last_exception_that_points_to_no_other_one_is_the_root() -> None:
    head = "ERROR 2026-11-29 02:00:00,000 EngineCore 1 vllm.core:1 fatal\n"
    pointer = traceback("Exception: initialization failed. See root cause above.")
    both = f"{traceback('KeyError: 1')}\nDuring handling of the above exception, another exception occurred:\n\n"
    assert root_exception(head + traceback("KeyError: 1") + head + pointer) == "KeyError: 1"
    assert root_exception(head + both + traceback("ValueError: 2")) == "ValueError: 2"
    assert (
        root_exception(head + traceback("ValueError: 3") + "WARNING 2026-11-29 02:00:01,000 end\n") == "ValueError: 3"
    )
    assert root_exception(head + "Traceback (most recent call last):\n  File") is None
    assert root_exception(head + pointer) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UserError("no such\nmodel"), ("no such model", True)),
        (Interrupted("told to stop; 3 kept"), ("told to stop", False)),
        (EngineDied("the engine of big died: it", Cause("it", certain=True)), ("it", True)),
        (EngineDied("the server of big is gone"), ("the server of big is gone", False)),
        (KeyError("speed"), ("KeyError: 'speed'", False)),
    ],
)
def test_a_cause_is_found_behind_the_errors_that_it_led_to(
    tmp_path: Path, error: BaseException, expected: tuple[str, bool]
) -> None:
    with pytest.raises((SystemExit, UserError)) as raised, exit_or_requeue(tmp_path):
        raise error
    cause = cause_of(raised.value)
    assert cause and (cause.text.partition(f" ({__file__}")[0], cause.certain) == expected
    assert cause_of(SystemExit(2)) is None, "a wrong option, of which words were told"


def test_an_error_in_a_module_of_ones_own_names_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a package raises it that the module calls."""
    (tmp_path / "own_gate.py").write_text("import json\n\n\ndef answer():\n    return json.loads('?')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(json.JSONDecodeError) as raised:
        importlib.import_module("own_gate").answer()
    cause = cause_of(raised.value)
    assert cause and cause.text.endswith(f"(char 0) ({tmp_path / 'own_gate.py'}, line 5)")


class Runs:
    """Jobs of a rule in a run: its command, each with a log of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | new_run(folder / "logs")

    def job(self, name: str, spec: str = "{}") -> str:
        """What a job says; with an empty spec it fails."""
        log = self.folder / f"{name}.log"
        words = ["prepare", "--spec", spec, "--out", str(self.folder / name)]
        done = Forked(module, "dreamr", words, cwd=self.folder, env=self.environment, errors=log)
        assert done.wait() == 1
        return log.read_text()


def test_a_third_job_does_not_begin_and_names_the_two(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    first = runs.job("first")
    assert first.startswith("--spec: name: Field required; ") and first.endswith("given: {}\n")
    assert runs.job("first") == first, "one job that is tried again is no second one"
    assert "object (found: []); given: []" in runs.job("other", "[]"), "another cause"
    assert runs.job("second") == first
    said = runs.job("third")
    assert said.count("\n") == 1 and said.startswith(
        f"not started: 2 prepare jobs of this run ended alike (first.log, second.log): {' '.join(first.split())}"
    )
    assert runs.job("second") == said, "nor does one of the two begin again"
    assert runs.job("fourth", "[]") == said.replace("third", "fourth"), "it would have met the same"
    failed = {Path(one.log or "").name: one.held_back for one in ended(Path(runs.environment[RUN]))}
    began = dict.fromkeys(("first.log", "other.log", "second.log"), False)
    assert failed == {**began, "third.log": True, "fourth.log": True}


def test_a_new_run_begins_anew_and_a_command_outside_a_run_notes_nothing(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    said = {runs.job(name) for name in ("first", "second")}
    runs.environment |= {RUN: str(tmp_path / "logs/causes/later")}
    assert {runs.job("third")} == said
    del runs.environment[RUN]
    assert {runs.job(name) for name in ("a", "b", "c")} == said
    assert len(list(tmp_path.rglob("*.json"))) == 3


def test_what_another_try_may_mend_holds_no_job_back(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    said = {runs.job(name) for name in ("first", "second")}
    for path in Path(runs.environment[RUN]).iterdir():
        path.write_text(path.read_text().replace('"certain": true', '"certain": false'))
    assert {runs.job("third")} == said


def test_a_job_that_succeeds_at_another_try_takes_its_note_back(tmp_path: Path) -> None:
    runs, out = Runs(tmp_path), tmp_path / "out"
    words = ["make-schema", "--out", str(out)]
    notes = []
    for prepare in (out.touch, out.unlink):  # a file where a folder is wanted, and then none
        prepare()
        Forked(module, "dreamr", words, cwd=tmp_path, env=runs.environment, errors=tmp_path / "log").wait()
        notes.append(len(ended(Path(runs.environment[RUN]))))
    assert notes == [1, 0] and out.is_dir()


BARS = """
import sys, types
from dreamr.runtime.endings import exit_on_user_error
sys.modules["__main__"].__spec__, sys.argv = types.SimpleNamespace(name="dreamr.__main__"), ["dreamr", "prepare"]
with exit_on_user_error():
    from tqdm import tqdm
    for _ in tqdm(range(3)): pass
"""


def test_every_job_of_a_run_logs_in_lines(tmp_path: Path) -> None:
    """Whatever bars its libraries have, as datasets does."""
    for environment, lines in ((Runs(tmp_path).environment, True), (dict(os.environ), False)):
        with (tmp_path / "log").open("w") as log:
            subprocess.run([sys.executable, "-c", BARS], env=environment, stderr=log, check=True)
        written = (tmp_path / "log").read_bytes()
        assert b" 3/3 [" in written and (b"\r" not in written) is lines
