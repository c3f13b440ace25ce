"""Tables of invented scores, and rows of them."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
from factories import config, scores

from dreamr.cli.summarise import main as summarise
from dreamr.config import Config
from dreamr.planning.jobs import SummariseJob
from dreamr.records import write_rows
from dreamr.scores import Score
from dreamr.statistics.frame import ALL, read_table

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}


@cache
def everything() -> tuple[Config, list[Score]]:
    settings = config()
    settings = settings.model_copy(update={"statistics": settings.statistics.model_copy(update={"resamples": 200})})
    return settings, scores(settings)


def written(folder: Path, rows: list[Score]) -> dict[str, pd.DataFrame]:
    """The tables of scores, as they are read."""
    half = len(rows) // 2
    write_rows(folder / "a.jsonl", rows[:half])
    write_rows(folder / "b.jsonl", rows[half:])
    spec = SummariseJob.of(everything()[0]).model_dump_json()
    files = (folder / "b.jsonl", folder / "a.jsonl")  # order must not matter
    summarise(spec=spec, scores=files, out=folder / "tables")
    return {path.stem: read_table(path) for path in (folder / "tables").glob("*.csv")}


def line(table: pd.DataFrame, **wanted: str) -> pd.Series:
    """The one row with these keys."""
    for key, value in wanted.items():
        table = table[table[key] == value]
    assert len(table) == 1, f"{len(table)} rows with {wanted}"
    return table.iloc[0]


def of(method: str, benchmark: str = ALL, mode: str = "batched", target: str = "", draft: str = "") -> list[Score]:
    return [
        row
        for row in everything()[1]
        if (row.method, row.mode) == (method, mode)
        and benchmark in (ALL, row.benchmark)
        and (target or row.target) == row.target
        and (draft or row.draft) == row.draft
    ]


# --- questions that an engine refused ---

WHY = "context_tokens (1024) is full: raise it"
HIT = ("q0", "q3", "q5")  # timed as well


def with_refused(hit: Callable[[Score], bool]) -> list[Score]:
    """The invented scores, where an engine refused some after a step: one token, no verdict, a moment."""
    marks = {"refused_by": PAIR["target"], "refusal": WHY, "correct": False, "unresolved": True, "parsed": None}
    rest = {"tokens": 1, "verified": 1, "accepted": 0, "drafted": 9, "seconds": 0.001, "truncated": False}
    return [row.model_copy(update=marks | rest) if hit(row) else row for row in everything()[1]]


def cell_of(row: Score, *methods: str) -> bool:
    return row.method in methods and (row.target, row.draft) == (PAIR["target"], PAIR["draft"])


def hit(row: Score) -> bool:
    return cell_of(row, "dreamr") and row.benchmark == "mmmu" and row.question in HIT
