"""Accuracy against speed of every method, from the tables of both: so a number here is the number there."""

from collections.abc import Mapping

import pandas as pd

from dreamr.config import NO_DRAFT
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ablations
from dreamr.statistics.frame import ALL, BASELINE, KEYS

SIZES = {"n": "n_alone", "clusters": "clusters_alone"}  # of the timed questions
SHOWN = [f"{name}{end}" for name in ("accuracy_change", "speedup") for end in ("", "_low", "_high")]
CHANGE = [name for name in SHOWN if name.startswith("accuracy_change")]
COLUMNS = ["target", "draft", "method", "sweep", "settings", "n", "n_alone", *SHOWN, "on_front"]


def tradeoff(written: Mapping[str, pd.DataFrame], job: SummariseJob) -> pd.DataFrame:
    """Each timed method of each pair, and of the pool over all pairs, over all benchmarks.

    `on_front`: no method of the same pair, nor the target by itself, is at least as fast and as accurate and better in
    one of both, by the estimates. Schedules and windows write the reference's text, so they have its accuracy here,
    however many questions they answered themselves. Where dice decide, accuracy says nothing, and there is no row.
    `sweep` and `settings` are those of a method that a sweep made.
    """
    if not {"accuracy", "speed"} <= written.keys():
        return pd.DataFrame(columns=COLUMNS)
    rows = written["accuracy"].merge(written["speed"].rename(columns=SIZES), on=KEYS, suffixes=("", "_alone"))
    single = (rows.target != ALL) & ~rows.draft.isin([ALL, NO_DRAFT])
    pooled = (rows.target == ALL) & (rows.draft == ALL)
    rows = rows[(rows.benchmark == ALL) & (single | pooled) & (rows.method != BASELINE)]
    rows = rows.dropna(subset=["accuracy_change", "speedup"])  # the target alone was not asked: no change is known
    rows = _with_own_text(rows[~rows.method.isin(_decided_by_dice(job))], job)
    told = [_swept(method, job) for method in rows.method]
    rows = rows.assign(sweep=[sweep for sweep, _ in told], settings=[words for _, words in told])
    fronts = [on_front(part) for _, part in rows.groupby(["target", "draft"])]
    return rows.assign(on_front=pd.concat(fronts) if fronts else [])[COLUMNS]


def _decided_by_dice(job: SummariseJob) -> list[str]:
    """Methods whose verdicts do not depend on the step."""
    return [name for name, method in job.methods.items() if method.acceptance is not None]


def _with_own_text(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The rows, with the reference's change of accuracy where a method writes the same text on the same pair."""
    varied, place = ablations(job), ["target", "draft"]
    same = rows.method.isin(varied[varied.kind.isin(["schedule", "window"])].method)
    own = rows.loc[rows.method == job.reference, [*place, *CHANGE]]
    taken = rows.loc[same, place].reset_index().merge(own, on=place).set_index("index")
    rows.loc[taken.index, CHANGE] = taken[CHANGE]
    return rows


def on_front(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows no other row, nor the target alone (as accurate as itself, once as fast), beats."""
    points = [(0.0, 1.0), *zip(rows.accuracy_change, rows.speedup, strict=True)]
    return pd.Series([not any(_beats(other, own) for other in points) for own in points[1:]], index=rows.index)


def _beats(other: tuple[float, float], own: tuple[float, float]) -> bool:
    return other != own and other[0] >= own[0] and other[1] >= own[1]


def _swept(method: str, job: SummariseJob) -> tuple[str, str]:
    """The sweep that made a method, and what it varied, in words; two empty words for others."""
    for name, sweep in job.sweeps.items():
        if settings := sweep.grid(name).get(method):
            return name, ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in settings.items())
    return "", ""
