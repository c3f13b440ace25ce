"""The studies: each is a folder beside this module, and no rule, stage or template outside of it names it.

Only the page's first screen, config/claims.yaml, README's table and the rule simulate name some, and do without one
that is gone.

    study.py          STUDY, a `Study`: light, since the workflow reads it while it plans
    tables.py         for each of its tables a function of the table's name
    figures.py        for each of its figures a function of the figure's name; None where there is nothing to draw
    lead.html.j2      what opens its chapter of the page: an answer, a figure, few words, a small table (leads=True)
    section.html.j2   its section, folded below, or its part of one; <part>.html.j2: a further section
    first.html.j2     what it adds to the answer that opens the page
    glance.html.j2    what it adds to the first chapter
    claims.yaml       the paper's claims that are tested by its tables
    test_*.py

Tables are made in the order of the studies' names. A table of other tables (`written`) is of a study behind theirs.

A function takes parts of what its command has, by the names of its parameters. It is loaded by name, so the module
that holds it is named to the digest of that command (`modules`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from dreamr.report.sections import Section

FOLDER = Path(__file__).parent
# By command, which module of a study it loads.
LOADED = {"summarise": "tables", "verify": "tables", "plot": "figures", "report": "study"}


@dataclass(frozen=True, kw_only=True)
class Study(Section):
    """A part of the experiment with all that belongs to it."""

    # By the command that makes them; "x" is the file x.csv, "x.jsonl" is no table but rows of JSON.
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Its tables that `keep-run` keeps, each with the columns over which only pools are kept.
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def made_by(self, command: str) -> tuple[str, ...]:
        """Names of its tables that a command makes; of `plot`, of its figures."""
        return tuple(self.figures) if command == "plot" else self.tables.get(command, ())


@cache
def studies() -> dict[str, Study]:
    """All studies by name."""
    names = sorted(path.parent.name for path in FOLDER.glob("*/study.py"))
    return {name: import_module(f"{__package__}.{name}.study").STUDY for name in names}


def made_by(command: str) -> list[str]:
    """Names of all tables, or figures, of studies that a command makes."""
    return [made for study in studies().values() for made in study.made_by(command)]


def modules(command: str) -> list[str]:
    """The modules of studies that a command loads by name."""
    found = studies()
    return [_module(name, command) for name in found if command == "report" or found[name].made_by(command)]


def _module(study: str, command: str) -> str:
    return f"{__package__}.{study}.{LOADED[command]}"


def make(command: str, given: object) -> Iterator[tuple[str, Any]]:
    """Each table, or figure, of studies that a command makes, by name; parameters name parts of what is `given`."""
    for study, one in studies().items():
        for name in one.made_by(command):
            function = getattr(import_module(_module(study, command)), name.partition(".")[0].replace("-", "_"))
            yield name, function(**{part: getattr(given, part) for part in signature(function).parameters})


def kept() -> dict[str, tuple[str, ...]]:
    """All tables that are kept of a run, each with the columns over which only pools are."""
    return {name: over for study in studies().values() for name, over in study.kept.items()}


def outputs(command: str) -> list[str]:
    """The files that a command writes for studies."""
    return [name if "." in name else f"{name}.csv" for name in made_by(command)]


def files(pattern: str) -> list[Path]:
    """Files of a kind in the folders of all studies."""
    return [path for name in studies() for path in sorted((FOLDER / name).glob(pattern))]
