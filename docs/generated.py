"""What the documentation says from the code itself: a directive for each list, which holds lines of Markdown."""

import inspect
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from dreamr.cli.app import FOR_PEOPLE, OF_RULES, run
from dreamr.config import Config
from dreamr.statistics.claims import Check, load_claims
from dreamr.statistics.names import AUDITED
from dreamr.statistics.published import load_published
from dreamr.studies.catalogue import files, studies

ROOT = Path(__file__).parent.parent
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """A table in Markdown."""
    heads = list(heads)
    for row in (heads, ["---"] * len(heads), *rows):
        yield f"| {' | '.join(' '.join(str(cell).split()).replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


# -- settings


def settings() -> Iterator[str]:
    """Every setting, from the schema that editors read: the whole, then its parts."""
    whole = Config.model_json_schema(by_alias=True)
    yield from _part("The whole file", whole)
    for name, part in whole["$defs"].items():
        yield f"(setting-{name.lower()})="
        yield from _part(name, part)


def _part(title: str, part: dict[str, Any]) -> Iterator[str]:
    yield from (f"## {title}", "", part["description"].replace("\n", " "), "")
    rows = (
        (f"`{key}`", kind(one), _default(key, one, part), one.get("description", ""))
        for key, one in part["properties"].items()
    )
    yield from table(("setting", "value", "if left out", "meaning"), rows)


def _default(key: str, one: dict[str, Any], part: dict[str, Any]) -> str:
    return "needed" if key in part.get("required", ()) else f"`{json.dumps(one.get('default'))}`"


def kind(one: dict[str, Any]) -> str:
    """What a setting may be, in words."""
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        return f"[{name}](#setting-{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in one:
            return " or ".join(map(kind, one[several]))
    if "enum" in one or "const" in one:
        return ", ".join(f"`{value}`" for value in one.get("enum", [one.get("const")]))
    if "type" not in one:
        return "a module of one's own, by a name with a dot" if "pattern" in one else "anything"
    if one["type"] == "object":
        (named,) = [*one.get("patternProperties", {}).values()] or [one["additionalProperties"]]
        return f"by name: {kind(named)}"
    if one["type"] == "array":
        return f"list of {kind(one['items'] if 'items' in one else one['prefixItems'][0])}"
    return " ".join([one["type"], *(f"{sign} {one[bound]}" for bound, sign in BOUNDS.items() if bound in one)])


# -- commands


def commands() -> Iterator[str]:
    """The help of every command."""
    for title, names in (("For people", FOR_PEOPLE), ("Of the workflow's rules", OF_RULES)):
        yield from (f"## {title}", "")
        for name in names:
            hyphenated = name.replace("_", "-")
            yield from (f"### {hyphenated}", "", "```text", _help(hyphenated), "```", "")


def _help(command: str) -> str:
    with redirect_stdout(io.StringIO()) as printed:
        run([command, "--help"])
    return printed.getvalue().strip()


# -- tables


def tables() -> Iterator[str]:
    """What each table holds, and the columns of those that are kept."""
    heads = ("table", "what it holds", "columns")
    for name, study in studies().items():
        made = [one for command in study.tables for one in study.made_by(command)]
        if made:
            yield from (f"## Study: {study.heading or name.capitalize()}", "")
            yield from table(heads, (_table_row(one, f"dreamr.studies.{name}.tables") for one in made))
    yield from ("## Tables of no study", "")
    computed = inspect.getdoc(import_module("dreamr.simulation.target_speculation")) or ""
    rows = (
        ("`claims.csv`", "Each claim of the paper that our sources name, and its verdict.", _columns("claims")),
        ("`target_speculation.csv`", computed.partition("\n\n")[0], ""),
    )
    yield from table(heads, rows)
    yield from ("## Tables of the audit", "")
    yield from table(("table", "columns"), ((f"`{name}.csv`", _listed(columns)) for name, columns in AUDITED.items()))


def _table_row(name: str, module: str) -> tuple[str, str, str]:
    doc = inspect.getdoc(getattr(import_module(module), name.partition(".")[0])) or ""
    return f"`{name if '.' in name else f'{name}.csv'}`", doc.partition("\n\n")[0], _columns(name)


def _columns(name: str) -> str:
    kept = ROOT / f"reports/kept/{name}.csv"
    if not kept.is_file():
        return ""
    with kept.open(encoding="utf-8") as file:
        return _listed(column for column in file.readline().strip().split(",") if not re.search("_(low|high)$", column))


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns)


# -- the paper


def claims() -> Iterator[str]:
    """The paper's claims with their sources, and by which cells they are tested."""
    read = load_claims(ROOT / "config/claims.yaml", *files("claims.yaml"))
    rows = (
        (one.text, one.source, "; ".join(filter(None, (one.remark, one.doubt))), one.scale, _tests(one.tests))
        for one in read
    )
    yield from table(("claim", "source", "remark, doubt", "scale", "tested by"), rows)


def _tests(tests: Iterable[Check]) -> str:
    told = (
        f"`{test.table}.csv`: `{test.quantity}` {word} {bound:g}"
        for test in tests
        for word in ("above", "below", "contains")
        if (bound := getattr(test, word)) is not None
    )
    return "; ".join(dict.fromkeys(told)) or "no table"


def published() -> Iterator[str]:
    """Numbers of the paper that no claim holds."""
    read = yaml.safe_load((ROOT / "config/published.yaml").read_text(encoding="utf-8"))
    columns = ("text", "acceptance", "speedup", "source", "pairing")
    yield from table(columns, ([one[column] for column in columns] for one in read["speedups"]))
    rows = ((one["text"], one["value"], one["source"], one.get("remark", "")) for one in read["regime"])
    yield from table(
        ("size", "value", "source", "remark"), (["" if cell is None else cell for cell in row] for row in rows)
    )
    numbers = load_published(ROOT / "config/published.yaml")
    costs = (
        (f"c of {one.text}, if decoding is bound by reading weights", f"{one.cost:.2f}") for one in numbers.decoding
    )
    yield from table(("assumed here, and published nowhere", "value"), [("v, a verdict", numbers.verdict), *costs])


LISTS: dict[str, Callable[[], Iterator[str]]] = {
    made.__name__: made for made in (settings, commands, tables, claims, published)
}


class Generated(SphinxDirective):
    """One of the lists, parsed as if it stood in the page."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(LISTS[self.name]()), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    for name in LISTS:
        app.add_directive(name, Generated)
    return {"parallel_read_safe": True}
