"""The command `dreamr`: what its help tells, what it says to wrong words, and what it imports."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from projects import ROOT

from dreamr.cli import app
from dreamr.cli.app import FOR_PEOPLE, OF_RULES, WITH_ALLOCATOR, run

COMMANDS = (*FOR_PEOPLE, *OF_RULES)
SHARED = {"__init__", "app", "common", "live"}  # modules of the room that are no command


def test_every_module_is_a_command_and_every_command_a_module() -> None:
    modules = {path.stem for path in (ROOT / "src/dreamr/cli").glob("*.py")}
    assert sorted(COMMANDS) == sorted(modules - SHARED)


def options(function: Callable[..., Any]) -> Iterator[str]:
    """The options of a command, those that are fields of a parameter included."""
    for name, kind in get_type_hints(function).items():
        if name != "return":
            names = [field.name for field in fields(kind)] if is_dataclass(kind) else [name]
            yield from (one.replace("_", "-") for one in names)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_says_what_each_option_is(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([command.replace("_", "-"), "--help"])
    told = capsys.readouterr().out
    module = import_module(f"dreamr.cli.{command}")
    assert module.__doc__.partition("\n")[0] in told
    for option in options(module.main):
        assert re.search(rf"^  --{option}( [A-Z]+(\.\.\.)?)?: [^\[]", told, re.M), option


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["paln"], "Unknown command 'paln'; `.venv/bin/dreamr --help` names those that there are."),
        (["plan", "--nothing"], "Unknown option: --nothing."),
        (["plan", "config/gpu.yaml"], "config/gpu.yaml"),
        (["plan", "--configfile"], "--configfile"),
        (["generate", "--spec", "{}"], "--models"),
        (["verify", "--spec", "{}", "--traces", "--scores", "a"], "--traces"),
        (["score", "--rule", "guess"], '"choice"'),
        (["serve", "--queue", "0"], "--queue"),
        (["serve-model", "--model", "big", "--port", "many"], "--port"),
        (["check", "--submitted", "--rule", "generate"], "--submitted"),
        (["ask", "--image", "b.png"], "--image goes with --ask"),
        (["ask", "--image", "b.png", "--ask", "Which?", "--question", "1"], "--image goes with --ask"),
        (["prepare", "--out", "x", "--out", "y", "--spec", "{}"], "--out"),
    ],
)
def test_wrong_words_are_told_in_a_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(words)
    printed = capsys.readouterr()
    assert ended.value.code == 2 and not printed.out
    assert told in printed.err and printed.err.count("\n") == 1


def test_an_option_takes_many_values_and_some_take_none() -> None:
    words = ["--spec", '{"a": [1]}', "--scores", "[a]", "b", "c", "--traces", "--out", "tables"]
    _, given, _ = app.app().parse_args(["summarise", *words])
    assert given.kwargs == {
        "spec": '{"a": [1]}',
        "scores": (Path("[a]"), Path("b"), Path("c")),
        "traces": (),
        "out": Path("tables"),
    }


def test_the_version_is_the_projects(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--version"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert capsys.readouterr().out.strip() == project["version"]
    assert project["scripts"] == {"dreamr": "dreamr.cli.app:main"}


def test_no_command_is_imported_but_the_one_that_is_called() -> None:
    code = (
        "import json, sys; from contextlib import suppress; from dreamr.cli.app import run; run(['--help'])\n"
        "with suppress(SystemExit): run(['paln'])\n"
        "with suppress(SystemExit): run(['simulate'])\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('dreamr.cli.')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sorted(json.loads(done.stdout.splitlines()[-1])) == ["dreamr.cli.app", "dreamr.cli.simulate"]


@pytest.mark.parametrize("command", [name.replace("_", "-") for name in COMMANDS])
def test_training_begins_with_its_allocator(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(sys, "argv", ["dreamr", command])
    monkeypatch.setattr(app, "print_lines", lambda: None)
    monkeypatch.setattr(app, "start_with_allocator", lambda: called.append("start"))
    monkeypatch.setattr(app, "run", lambda words: called.extend(words))
    app.main()
    assert called == [*(["start"] if command in WITH_ALLOCATOR else []), command]


def test_it_is_a_module_too() -> None:
    """As in the environments of the models, which know the package by its path."""
    done = subprocess.run([sys.executable, "-m", "dreamr", "paln"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("Unknown command 'paln'")
