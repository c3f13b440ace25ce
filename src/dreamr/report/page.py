"""The report as one HTML file: tables and figures put in place, nothing computed but words for intervals.

Everything shown comes from files that earlier stages wrote. All text is escaped by the template engine.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dreamr.config import Config
from dreamr.planning.jobs import SummariseJob, VerifyJob
from dreamr.provenance import SOURCES
from dreamr.records import read_rows
from dreamr.report.glossary import link_first_uses
from dreamr.report.models import models
from dreamr.report.packing import Source, answers, packed
from dreamr.report.run_times import phase_times, rule_times
from dreamr.report.sections import Made, Row, Section, captions, chapters, in_order, left_out, ran
from dreamr.runtime.forecast import MOST_BACKGROUND
from dreamr.statistics.frame import ALL, read_table
from dreamr.statistics.words import (
    FORMATS,
    bounds,
    formatted,
    limit,
    pair,
    sample,
    sentence,
    standing,
    value_of,
)
from dreamr.traces import Trace

# Key columns that are called otherwise in the files.
HEADINGS = {"at_once": "questions at once", "other": "against", "differs": "what differs", "over": "interval over"}
HEADINGS |= {"steps": "steps to a verdict", "base": "method", "drafted_by": "draft's training"}
DEEP = {"verdicts": "verdict", "evidence": "evidence"}  # what is shown of a kept run's claims, by column
STUDIES = SOURCES / "dreamr"  # templates of studies are studies/<name>/*.html.j2 there


@dataclass(frozen=True)
class Sources:
    """What earlier stages made: folders, and of what other runs fill as well the files of this run."""

    tables: Path
    audit: Path
    figures: Path
    cards: tuple[Path, ...]  # of the models
    traces: tuple[Path, ...]
    cells: Path
    benchmarks: Path
    logs: Path
    verification: Path | None = None  # only where a step oracle exists
    kept: Path | None = None  # a larger run of the same experiment, as `keep-run` keeps it

    @property
    def csv(self) -> list[Path]:
        """All tables."""
        folders = [self.tables, self.audit, *([self.verification] if self.verification else [])]
        return [path for folder in folders for path in sorted(folder.glob("*.csv"))]


def render(config: Config, sources: Sources, templates: Path, studies: Mapping[str, Section]) -> str:
    """The whole page, with the sections of these studies."""
    tables = {path.stem: records(read_table(path)) for path in sources.csv} | lists(sources.verification)
    drawn, described, job = figures(sources.figures), models(config, sources.cards), SummariseJob.of(config)
    files = {path.stem: Source.of(path) for path in sources.csv}
    made, sections = Made(tables, drawn, job), in_order(studies)
    template = _environment(config, templates).get_template("page.html.j2")
    page = template.render(
        config=config,
        job=job,
        sections=sections,
        chapters=chapters(sections, ran(sections, made)),
        studies=ran(sections, made),
        left_out=list(left_out(sections, made)),
        judged=VerifyJob.of(config).benchmarks,
        foreign=[name for name in config.asked if not config.is_micro(name)],
        settings=json.dumps(config.model_dump(mode="json", by_alias=True), indent=1),
        tables=tables,
        in_depth=in_depth(sources.kept, tables.get("claims", [])),
        everything=everything(tables),
        files=files,
        figures=drawn,
        captions=captions(studies),
        models=described,
        about={model["name"]: model["about"] for model in described},
        made=[*files.values(), *drawn.values()],
        answers=answers(sources.traces),
        cards=cards(sources.cards, job.names),
        machines=machines(sources.cells, sources.traces),
        rules=rule_times(sources.benchmarks),
        phases=phase_times(sources.benchmarks, sources.logs),
        css=Markup((templates / "page.css").read_text(encoding="utf-8")),
        script=Markup((templates / "page.js").read_text(encoding="utf-8")),
    )
    return link_first_uses(page)


def _environment(config: Config, templates: Path) -> Environment:
    """The template engine with the filters and functions that templates use."""
    environment = Environment(
        loader=FileSystemLoader([templates, STUDIES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    job = SummariseJob.of(config)
    order = job.display.main[::-1]  # of tables: the method that the page is about stands first
    environment.filters |= FORMATS | {
        "label": job.label,
        "heading": heading,
        "verdict": verdict,
        "singles": singles,
        "whole_or_only": whole_or_only,
        "by_setting": lambda rows: sorted(rows, key=lambda row: value_of(row["setting"])),
        "pair": lambda row: pair(row, job.names),
    }
    environment.globals |= {
        "select": select,
        "first": first,
        "pairs_of": partial(pairs_of, methods=order, pooled=len(job.pairs) > 1),  # one pair is its own pool
        "cell": partial(cell, margin=config.statistics.margin),
        "formatted": formatted,
        "bounds": partial(bounds, margin=config.statistics.margin),
        "standing": standing,
        "apart": partial(apart, config=config),
        "sentence": sentence,
        "sample": sample,
        "ALL": ALL,
        "MOST_BACKGROUND": MOST_BACKGROUND,
        "MAIN": job.display.main,
        "ORDER": order,
        "COMPARED": job.compared,
        "packed": packed,
        "telling": telling,
        "ordered": partial(ordered, methods=order),
    }
    return environment


def figures(folder: Path) -> dict[str, Source]:
    """All figures with their data by name."""
    return {path.stem: Source.of(path.with_suffix(".csv"), path) for path in sorted(folder.glob("*.svg"))}


def records(table: pd.DataFrame) -> list[Row]:
    """A table's rows; None where a cell is unknown."""
    rows: list[Row] = table.astype(object).where(table.notna(), None).to_dict("records")
    return rows


def lists(folder: Path | None) -> dict[str, list[Row]]:
    """What studies wrote as rows of JSON, where they did."""
    files = sorted(folder.glob("*.jsonl")) if folder else []
    return {path.stem: list(map(json.loads, path.read_text(encoding="utf-8").splitlines())) for path in files}


def select(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """Rows whose cells equal the wanted values; a tuple or list allows several."""

    def fits(row: Row) -> bool:
        return all(
            row[key] in value if isinstance(value, list | tuple) else row[key] == value for key, value in wanted.items()
        )

    return [row for row in rows if fits(row)]


def first(rows: Iterable[Row], **wanted: Any) -> Row | None:
    """The only row with the wanted cells, or None where that part of the experiment was not run."""
    return next(iter(select(rows, **wanted)), None)


def everything(tables: Mapping[str, list[Row]]) -> list[Row]:
    """Rows of accuracy with the same cell's columns of speed (its n as n_alone) and acceptance; pools stand first."""
    keys = ("target", "draft", "method", "benchmark")
    speed, acceptance = (
        {tuple(row[key] for key in keys): row for row in tables.get(name, ())} for name in ("speed", "acceptance")
    )
    rows = []
    for right in tables.get("accuracy", ()):
        cell = tuple(right[key] for key in keys)
        timed, taken = speed.get(cell, {}), acceptance.get(cell, {})
        rows.append({**timed, **taken, **right, "n_alone": timed.get("n")})
    return sorted(rows, key=lambda row: [row[key] != ALL for key in ("target", "draft", "benchmark")])


def ordered(rows: Iterable[Row], methods: Sequence[str]) -> list[Row]:
    """Rows of the methods that tables show, in their order."""
    return sorted((row for row in rows if row["method"] in methods), key=lambda row: methods.index(row["method"]))


def pairs_of(rows: Iterable[Row], methods: Iterable[str], pooled: bool = True) -> list[Row]:
    """Rows of the pool over all pairs, if wanted, then of single targets and pairs, in the order of methods."""
    order = list(methods)
    kept = [row for row in rows if row["method"] in order and (row["target"] == ALL) == (row["draft"] == ALL)]
    kept = [row for row in kept if pooled or row["target"] != ALL]
    return sorted(kept, key=lambda row: (row["target"] != ALL, row["target"], row["draft"], order.index(row["method"])))


def singles(rows: Iterable[Row]) -> list[Row]:
    """Rows of single targets and pairs, without pools."""
    return [row for row in rows if ALL not in (row["target"], row["draft"])]


def whole_or_only(rows: Sequence[Row]) -> Row | None:
    """The row of all pairs and benchmarks, or of the only pair; None where several pairs have no pool."""
    each = select(singles(rows), benchmark=ALL)
    return first(rows, target=ALL, draft=ALL, benchmark=ALL) or (each[0] if len(each) == 1 else None)


def telling(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """Key columns that differ between rows; the last where none does."""
    return [key for key in keys if len({row[key] for row in rows}) > 1] or [*keys[-1:]]


def heading(key: str) -> str:
    """What a key column is called for people."""
    return HEADINGS.get(key, key.replace("_", " "))


def cell(row: Row | None, name: str, kind: str, margin: float = nan) -> Markup:
    """A number and its interval, with the bare value for sorting; "–" where the data cannot tell."""
    value = None if row is None else row.get(name)
    shown = FORMATS[kind](value)
    low, high = (None if row is None else row.get(f"{name}_{end}") for end in ("low", "high"))
    ends = (limit(end, kind, margin) for end in (low, high))
    interval = Markup(" <small>[{}, {}]</small>").format(*ends) if low is not None else ""
    return Markup('<td data-value="{}">{}{}</td>').format("" if value is None else value, shown, interval)


def verdict(row: Row | None, name: str, null: float = 0) -> str:
    """Where the interval lies: above, below or on both sides of `null`; unknown without an interval."""
    if row is None or row.get(f"{name}_low") is None:
        return "unknown"
    if row[f"{name}_low"] > null:
        return "above"
    return "below" if row[f"{name}_high"] < null else "undecided"


def apart(rows: Iterable[Row], config: Config) -> bool:
    """Whether a run answers a row's method on its pair without the reference: then another job timed that."""
    reference = SummariseJob.of(config).reference
    return any(
        row["method"] in run.methods and row["target"] in run.targets and row["draft"] in run.drafts
        for row in rows
        for run in config.runs.values()
        if reference not in run.methods
    )


def in_depth(kept: Path | None, claims: Iterable[Row]) -> Row:
    """When kept runs ended, and by claim verdict and evidence of the run that decides it; {} where none is kept.

    Of each kept run there is a folder: `kept` itself, and those within it.
    """
    if kept is None:
        return {}
    folders = {file.parent: json.loads(file.read_text(encoding="utf-8")) for file in sorted(kept.glob("**/run.json"))}
    rows = {run["scale"]: records(read_table(folder / "claims.csv")) for folder, run in folders.items()}
    found = {claim["id"]: first(rows.get(claim["decided_in"], []), id=claim["id"]) for claim in claims}
    told = {claim: row for claim, row in found.items() if row}
    cells = {name: {claim: row[cell] for claim, row in told.items()} for name, cell in DEEP.items()}
    return {"ended": " and ".join(sorted({run["ended"] for run in folders.values()}))} | cells


def cards(files: Iterable[Path], names: Mapping[str, str]) -> list[Row]:
    """What each model's maker says of it, and what it is called for people."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(files)]
    return [card | {"called": called(card["name"], names)} for card in found]


def called(model: str, names: Mapping[str, str]) -> str:
    """A model's name for people; that of a trained draft says for which target, and by which recipe of SAPO."""
    draft, *training = model.split(".")
    if not training:
        return names.get(draft, draft)
    recipe, target, *replicate = training
    which = f", replicate {replicate[0]}" if replicate else ""
    return f"{names.get(draft, draft)}, trained by SAPO ({recipe}{which}) for {names.get(target, target)}"


def machines(folder: Path, traces: Iterable[Path]) -> list[Row]:
    """Devices and package versions under which `traces` were answered, with the number of cells of each.

    The folder keeps every cell that was ever begun, and a cell's card every machine that ever worked on it.
    """
    named = sorted({(trace.digest, trace.device) for path in traces for trace in read_rows(path, Trace)})
    found: dict[str, Row] = {}
    for digest, device in named:
        card = json.loads((folder / f"{digest}.card.json").read_text(encoding="utf-8"))
        (machine,) = (machine for machine in card["machines"] if machine["device"] == device)
        facts = {key: machine[key] for key in ("device", "versions")}
        found.setdefault(json.dumps(facts, sort_keys=True), facts | {"cells": 0})["cells"] += 1
    return list(found.values())
