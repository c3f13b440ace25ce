"""`dreamr`: one command with others below it, each the function `main` of a module beside this one.

A command's description is its module's docstring, which is read from the file: only the command that is called is
imported, since some take seconds for it and others need packages that are not here. Its parameters are described in the
docstring of the function.
"""

import ast
import re
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cyclopts import App, CycloptsError, Group, Parameter, UnknownCommandError
from rich.console import Console

from dreamr.runtime.output import print_lines
from dreamr.runtime.processes import start_with_allocator

FOR_PEOPLE = (
    "check",
    "plan",
    "ask",
    "serve",
    "serve_model",
    "score",
    "export",
    "export_trace",
    "keep_run",
    "make_schema",
)
OF_RULES = (
    *("make_environment", "make_micro", "make_calibration", "prepare", "audit", "fetch_model", "quantize"),
    *("train_sapo", "calibrate", "answer", "generate", "grade", "summarise", "simulate", "verify", "plot", "report"),
)
WITH_ALLOCATOR = ("quantize", "train-sapo")  # large tensors come and go in them
WRONG_USE = 2  # exit status, as of other commands
WIDTH = 120  # of help that is not printed to a terminal
HELP = "What there is beside `snakemake`, which runs the whole; `dreamr COMMAND --help` tells more of each."


def _shown(default: object) -> str | None:
    """A default as the help shows it: nothing where it is none, false or empty."""
    if default is None or default is False or default == ():
        return None
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


# Of all parameters: no --no-x beside --x, one value or more where several may be, and a path with brackets is a path.
PLAIN = Parameter(negative=(), consume_multiple=1, json_list=False, json_dict=False, show_default=_shown)


def main() -> None:
    """The command as a process of its own."""
    if sys.argv[1:] and sys.argv[1] in WITH_ALLOCATOR:
        start_with_allocator()
    print_lines()
    try:
        run(sys.argv[1:])
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Python would print a traceback of its own end


def run(words: Sequence[str]) -> None:
    """The command that these words name, in this process; wrong ones end it with words and status 2."""
    try:
        app()(words, exit_on_error=False, print_error=False)
    except UnknownCommandError as error:
        # The library's own words would import every command.
        unknown = (error.unused_tokens or words)[0]
        _refuse(f"Unknown command {unknown!r}; `.venv/bin/dreamr --help` names those that there are.")
    except CycloptsError as error:
        _refuse(str(error))


def app() -> App:
    """All commands, by name, none of them imported."""
    # Made anew each time: how a help page is laid out depends on where stdout goes.
    people, rules, options = map(Group.create_ordered, ("Commands", "Commands of the workflow's rules", "Options"))
    commands_app = App(
        name="dreamr",
        help=HELP,
        help_format="plaintext",
        help_formatter="default" if sys.stdout.isatty() else "plain",
        console=None if sys.stdout.isatty() else Console(width=WIDTH),
        version=told_version,
        group_commands=options,
        default_parameter=PLAIN,
        result_action="return_value",
    )
    commands_app.register_install_completion_command()
    for group, commands in ((people, FOR_PEOPLE), (rules, OF_RULES)):
        for place, name in enumerate(commands):
            hyphenated, function = name.replace("_", "-"), f"dreamr.cli.{name}:main"
            commands_app.command(function, name=hyphenated, help=described(name), group=group, sort_key=place)
    return commands_app


def described(command: str) -> str:
    """The docstring of a command's module, each paragraph on one line, for any width."""
    text = Path(__file__).with_name(f"{command}.py").read_text(encoding="utf-8")
    return re.sub(r"(?<=\S)\n(?=\S)", " ", ast.literal_eval(text[: text.index('"""', 3) + 3]))


def told_version() -> str:
    """The installed package's; the environments of the models know it by its path alone."""
    try:
        return version("dreamr")
    except PackageNotFoundError:
        return "not installed here, so of no version"


def _refuse(words: str) -> None:
    print(words, file=sys.stderr)
    sys.exit(WRONG_USE)
