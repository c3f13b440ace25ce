"""What the terminal tells of a run: real Snakemake on a copy of the workflow, whose commands are cut short."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from projects import Project, copied, stubbed, with_form
from tqdm import tqdm

from dreamr.errors import Cause
from dreamr.runtime.causes import STOPPED, Ended, note_path
from dreamr.runtime.ctrl_c import PRESSED
from dreamr.runtime.output import Lines
from dreamr.runtime.terminal import Failure, Terminal

MAIN = "    job = "  # where a command begins
ENGINE = """
    from dreamr.engines.protocol import EngineDied
    from dreamr.errors import Cause
    cause = Cause("RuntimeError: broken", certain=True, log="big.log")
    raise EngineDied("the engine of big died: RuntimeError: broken", cause)
"""
MISSING = "    from dreamr.errors import UserError\n    raise UserError('the weights\\nare damaged')\n"
SUMMARY = """\
Failed: 2 generate; not started because of that: 1 generate
  why: RuntimeError: broken
  log: big.log, logs/smoke/generate/q3vl-deep-awq/q3vl-2l/main/all.log
  do:  see the log, then run the same command again
14 of 25 jobs are done; run the same command again to go on.
"""


def failing(folder: Path, command: str, how: str) -> Project:
    """A project in which this command begins as it does, and then fails; the others only write their outputs."""
    project = stubbed(copied(folder))
    project.edit("src/dreamr/cli/__init__.py", lambda text: text.replace("if command:", f"if command != '{command}':"))
    project.edit(f"src/dreamr/cli/{command}.py", lambda text: text.replace(MAIN, how + MAIN))
    project.edit("config/config.yaml", lambda text: text.replace("environments: venv", "environments: active"))
    return project


def lines(printed: str) -> list[str]:
    """Without the times before them."""
    return [re.sub(r"^\w{3} \d\d:\d\d:\d\d  ", "", line) for line in printed.splitlines()]


@pytest.fixture(scope="module")
def engine_died(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, list[str]]:
    """A smoke run whose engines die, and what it printed."""
    project = failing(tmp_path_factory.mktemp("died"), "generate", ENGINE)
    done = project.snakemake("--configfile", "config/smoke.yaml")
    assert done.returncode == 1
    return project, lines(done.stderr)


@pytest.mark.slow
def test_a_cause_is_told_once_and_a_third_job_does_not_begin(engine_died: tuple[Project, list[str]]) -> None:
    _, printed = engine_died
    first, second, third = (line for line in printed if re.match("generate .*: (?!started)", line))
    name = "generate q3vl-deep-awq/q3vl-2l/main/all"
    log = "logs/smoke/generate/q3vl-deep-awq/q3vl-2l/main/all.log"
    assert first == f"{name}: failed: the engine of big died: RuntimeError: broken; its log: big.log; {log}"
    assert re.fullmatch(f"generate [^:]*: failed as {name}; logs/[^ ]*", second)
    assert re.fullmatch(f"generate [^:]*: not started, as {name}; logs/[^ ]*", third)


@pytest.mark.slow
def test_each_job_has_a_line_and_nothing_else_is_told_of_it(engine_died: tuple[Project, list[str]]) -> None:
    _, printed = engine_died
    begun = [line.removesuffix(": started") for line in printed if line.endswith(": started")]
    done = [
        match
        for line in printed
        if (match := re.fullmatch(r"(.*): done, (\d+) of 25 jobs(?:, \d+% of the time, about \d+ min left)?", line))
    ]
    assert len(begun) == 17 and {match[1] for match in done} < set(begun)
    assert [int(match[2]) for match in done] == [*range(1, 15)]
    words = ("Error in rule", "RuleException", "reason:", "set -euo", "--spec", "Select jobs", "Finished jobid")
    assert not [line for line in printed if any(word in line for word in words)]
    assert len(printed) < 100


@pytest.mark.slow
def test_the_last_lines_are_the_summary(engine_died: tuple[Project, list[str]]) -> None:
    _, printed = engine_died
    assert printed[-5:] == SUMMARY.splitlines()


@pytest.mark.slow
def test_snakemakes_own_log_has_the_whole_block(engine_died: tuple[Project, list[str]]) -> None:
    project, _ = engine_died
    (log,) = (project.folder / ".snakemake/log").glob("*.log")
    assert log.read_text().count("Error in rule generate:") == 3 and "reason: " in log.read_text()


@pytest.mark.slow
def test_another_run_is_not_held_back_and_shows_logs_where_it_is_asked_to(
    engine_died: tuple[Project, list[str]],
) -> None:
    project, _ = engine_died
    done = project.snakemake("--configfile", "config/smoke.yaml", "--show-failed-logs")
    assert done.stderr.count("Traceback (most recent call last)") == 2
    assert done.stderr.count("not started: 2 generate jobs") == 1
    assert lines(done.stderr)[-5:-1] == SUMMARY.splitlines()[:-1]


@pytest.mark.slow
def test_words_for_a_user_are_told_on_one_line(tmp_path: Path) -> None:
    printed = lines(failing(tmp_path, "train_sapo", MISSING).snakemake("--configfile", "config/smoke.yaml").stderr)
    (told,) = (line for line in printed if ": failed" in line)
    assert told == (
        "train_sapo q3vl-2l.balanced.q3vl-deep-awq: failed: the weights are damaged; "
        "logs/smoke/train_sapo/q3vl-2l.balanced.q3vl-deep-awq.log"
    )
    assert printed[-2] == "  do:  do what the message says, then run the same command again"


@pytest.mark.slow
def test_a_cluster_says_the_same_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that submits sees exit codes alone."""
    project = with_form(failing(tmp_path / "project", "generate", ENGINE))
    state = tmp_path / "slurm"
    state.mkdir()
    monkeypatch.setenv("PATH", f"{Path(__file__).with_name('fake_slurm')}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(state))
    quick = ("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1", "--jobs", "1")
    printed = lines(project.on_slurm("--configfile", "config/smoke.yaml", *quick).stderr)
    summary = SUMMARY.replace("q3vl-deep-awq/q3vl-2l/main/all.log", "[job]")  # of the one that ended first
    shown = [re.sub(r"(generate/)\S+", r"\1[job]", line) for line in printed[-5:-1]]
    assert shown == summary.splitlines()[:-1]
    assert len([line for line in printed if re.match("generate .*: (failed|not started)", line)]) == 3


def test_snakemakes_own_errors_are_told_in_full(tmp_path: Path) -> None:
    project = copied(tmp_path)
    wrong = project.snakemake("no/such/file").stderr
    assert "MissingRuleException" in wrong and "no/such/file" in wrong
    shutil.rmtree(tmp_path / "workflow/resources/zoo/q3vl-2l")
    missing = project.snakemake().stderr
    assert "Missing input files for rule fetch_model" in missing and "zoo/q3vl-2l/manifest.json" in missing
    project.edit("workflow/rules/data.smk", lambda text: text + "\n\nrule broken:\n    output: 'x'\n    oops\n")
    assert "Unexpected keyword oops in rule definition" in project.snakemake().stderr


def test_a_job_that_its_command_tells_nothing_of_is_told_by_the_executor_or_its_log(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("a line\r\nbash: line 1: python9: command not found\n\n")
    terminal = Terminal(tmp_path)
    terminal.started(1, "generate", {"run": "main", "suite": "all"})
    assert terminal.failed(1, "generate", [str(log)], None).endswith(
        f"generate main/all: failed: bash: line 1: python9: command not found; {log}"
    )
    assert "failed: SLURM status is: 'TIMEOUT'; " in terminal.failed(
        1, "generate", [str(log)], "SLURM status is: 'TIMEOUT'"
    )
    assert "failed: it left no word; " in terminal.failed(2, "plot", [str(tmp_path / "none.log")], None)


def test_a_note_that_comes_late_is_in_the_summary(tmp_path: Path) -> None:
    """As over the file system of a cluster."""
    terminal = Terminal(tmp_path, total=2)
    log = str(tmp_path / "job.log")
    assert "SLURM-job 7 failed" in terminal.failed(1, "generate", [log], "SLURM-job 7 failed")
    note = Ended("generate", log, "the weights are damaged", Cause("the weights are damaged", certain=True))
    note_path(tmp_path, log).write_text(json.dumps(asdict(note)))
    assert "  why: the weights are damaged" in terminal.summary()


@pytest.mark.parametrize("causes", [1, 4, 5, 30])
def test_the_summary_has_twenty_lines_at_most(causes: int) -> None:
    terminal = Terminal(None, total=100, done=7)
    for number in range(3 * causes):
        how = Ended(
            "generate", None, "said", Cause(f"cause {number % causes} {'long ' * 200}"), held_back=number >= causes
        )
        terminal.failures.append(Failure(f"job {number}", "generate", f"logs/{number}.log", how))
    told = terminal.summary()
    assert len(told) <= 20 and "Failed: 1 generate; not started because of that: 2 generate" in told
    assert told[-1] == "7 of 100 jobs are done; run the same command again to go on."
    assert not Terminal(None, total=3, done=3).summary()


@pytest.mark.slow
def test_a_run_that_made_the_page_ends_with_where_it_is(tmp_path: Path) -> None:
    printed = stubbed(copied(tmp_path)).succeed("--configfile", "config/smoke.yaml").stderr.splitlines()
    assert printed[-1] == "The page: results/smoke/report/index.html"


def test_a_page_that_was_not_made_is_nowhere() -> None:
    terminal = Terminal(None, total=1)
    terminal.started(1, "report", {}, ["results/report/index.html"])
    assert terminal.summary() == []
    terminal.finished(1)
    assert terminal.summary() == ["The page: results/report/index.html"]


@pytest.fixture
def pressed() -> Iterator[None]:
    """As if the user had pressed Ctrl-C."""
    PRESSED.set()
    yield
    PRESSED.clear()


def test_what_a_user_stopped_did_not_fail(tmp_path: Path, pressed: None) -> None:
    """One job has noted what it keeps, one was ended before it could, one had failed before."""
    terminal = Terminal(tmp_path, total=9, done=4)
    notes = {
        "generate": ("told to stop; 3 finished answers are kept", STOPPED),
        "quantize": ("the weights are damaged", Cause("the weights are damaged", certain=True)),
    }
    for rule, (said, cause) in notes.items():
        log = str(tmp_path / f"{rule}.log")
        note_path(tmp_path, log).write_text(json.dumps(asdict(Ended(rule, log, said, cause))))
    (tmp_path / "prepare.log").write_text("Traceback (most recent call last):\nKeyboardInterrupt\n")
    rules = ("generate", "prepare", "quantize")
    told = lines("\n".join(terminal.failed(1, rule, [str(tmp_path / f"{rule}.log")], None) for rule in rules))
    assert told[:2] == ["generate: stopped; 3 finished answers are kept", "prepare: stopped"]
    assert told[2].startswith("quantize: failed: the weights are damaged; ")
    summary = terminal.summary()
    assert summary[:2] == ["Stopped by Ctrl-C: 1 generate, 1 prepare", "Failed: 1 quantize"]
    assert summary[-1] == "4 of 9 jobs are done; run the same command again to go on."


def test_a_run_on_a_cluster_that_was_stopped_says_so(pressed: None) -> None:
    """Its jobs are cancelled, and none is reported."""
    told = ["Stopped by Ctrl-C.", "2 of 9 jobs are done; run the same command again to go on."]
    assert Terminal(None, total=9, done=2).summary() == told


# -- lines of logs


def bar(stream: io.StringIO, steps: int, monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[str]:
    """What a bar prints of so many steps that take so long."""
    clock = iter(float(number) * seconds for number in range(10**6))
    monkeypatch.setattr("dreamr.runtime.output.time.monotonic", lambda: next(clock))
    out = Lines(stream)
    print("before", file=out)
    with tqdm(range(steps), file=out, desc="steps", mininterval=0.0, miniters=1) as steps_of_bar:
        for step in steps_of_bar:
            if step == 2:
                tqdm.write("between", file=out)
    print("after", file=out)
    assert "\r" not in stream.getvalue()
    return stream.getvalue().splitlines()


def test_a_bar_prints_lines_in_a_log_and_not_one_for_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = bar(io.StringIO(), 1000, monkeypatch, seconds=0.1)
    assert (printed[0], printed[-1]) == ("before", "after") and printed.count("between") == 1
    shown = [int(found[1]) for line in printed if (found := re.search(r" (\d+)/1000 \[", line))]
    assert shown[0] == 0 and shown[-1] == 1000 and shown == sorted(set(shown)) and 10 < len(shown) < 50
    assert len(shown) + 3 == len(printed), "and no empty line"


def test_a_long_bar_prints_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = bar(io.StringIO(), 100, monkeypatch, seconds=30.0)
    assert 40 < len(printed) < 60


def test_bars_below_another_one_print_nothing_and_those_behind_it_do() -> None:
    """As libraries have them: a bar for each part of a step."""
    stream = io.StringIO()
    out = Lines(stream)
    for step in tqdm(range(3), file=out, desc="steps", mininterval=0.0, miniters=1):
        for _ in tqdm(range(5), file=out, desc="parts", mininterval=0.0, miniters=1, leave=step == 1):
            pass
    for _ in tqdm(range(2), file=out, desc="behind", mininterval=0.0, miniters=1):
        pass
    print("after", file=out)
    printed = [line.partition("%")[0] for line in stream.getvalue().splitlines()]
    assert printed[0] == "steps:   0" and printed[-4:] == ["steps: 100", "behind:   0", "behind: 100", "after"]
    assert len([line for line in printed if line.startswith("parts")]) <= 1 and len(printed) < 10


LOG = """
import sys
from dreamr.runtime.output import print_lines
print_lines()
print("first")
print("second", file=sys.stderr)
print("third")
from tqdm.auto import tqdm
for _ in tqdm(range(3)): pass
raise KeyError("last")
"""


def test_a_log_is_in_order_and_has_no_carriage_return(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with (tmp_path / "log").open("w") as log:
        subprocess.run([sys.executable, "-c", LOG], env=environment, stdout=log, stderr=log, check=False)
    written = (tmp_path / "log").read_bytes().decode()
    assert written.startswith("first\nsecond\nthird\n") and written.endswith("KeyError: 'last'\n")
    assert "\r" not in written and re.search(r"\n100%.* 3/3 \[.*\]\n", written)
