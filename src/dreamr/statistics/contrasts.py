"""Contrasts: two methods on the same questions, how far they are apart, and a test of it.

A change is in the quantity's own unit; a ratio is one of means, as in all other tables. Where both methods have the
same draft, the interval is over questions and the test exchanges the methods in whole clusters: both take pairs and
drafts as given. Where a trained draft differs, a contrast speaks of a recipe, and a recipe is known only by its
trainings: then interval and test cross questions with trainings (of a pool: with plain drafts, all trainings of one
taken together, as they and the targets have much in common). One training has neither.
"""

from collections.abc import Iterable, Iterator
from math import isnan, nan
from typing import Any, NamedTuple

import pandas as pd

from dreamr.config import PLAIN
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import beside, opposite
from dreamr.statistics.frame import ALL, BASELINE, CELL, alone, answered, batched
from dreamr.statistics.intervals import Interval, Quantity, difference, holm, quotient, ratio
from dreamr.statistics.paired import ONE_TRAINING, flip_p
from dreamr.statistics.pooling import (
    SIZES,
    Group,
    Key,
    as_cells,
    complete,
    gathered,
    of_pairs,
    p_against,
    sampling,
    with_models,
)


class Contrast(NamedTuple):
    """`method` against `other`, and what differs between them."""

    method: str
    other: str
    differs: str


def _apart(above: str, below: str) -> tuple[Quantity, Quantity]:
    return ratio(above, below), ratio(f"{above}_other", f"{below}_other")


DISTANCES: dict[str, Quantity] = {
    "accuracy_change": difference(*_apart("correct", "n")),
    "acceptance_change": difference(*_apart("accepted", "verified")),
    "tokens_ratio": quotient(*_apart("tokens_by_target", "n")),
    "speed_ratio": quotient(*_apart("baseline_seconds", "seconds")),
}
# Columns that these take, each with that of the target by itself with the same question; nothing of it is accepted.
COLUMNS = {
    "n": "n",
    "correct": "target_correct",
    "refused": "target_refused",
    "untimed": "untimed",
    "tokens_by_target": "target_tokens_alone",
    "seconds": "baseline_seconds",
    "baseline_seconds": "baseline_seconds",
}
JUDGED = ("accepted", "verified")
PLACE = ["target", "draft", "benchmark"]
P = [f"{name}_p" for name in DISTANCES]
MARGIN_P = "accuracy_change_margin_p"


def contrasted(rows: pd.DataFrame, found: Iterable[Contrast], job: SummariseJob) -> pd.DataFrame:
    """One row per contrast and place, with each distance, its interval, p, and p corrected by Holm over the family.

    A family holds one distance of all contrasts in which the same differs, in one kind of place: all pairs together,
    those by benchmark, each pair, or controls, which correct no main pair's p. `over` says what varies in intervals and
    tests, `trainings` how many trained drafts took part; `n_alone` counts timed answers. `accuracy_change_margin_p` is
    against a loss of the margin, and in no family.
    """
    rows = narrow(rows)
    lines = [
        {"family": f"{contrast.differs}, {kind}", **contrast._asdict(), **place, **_line(part, job)}
        for contrast in found
        for kind, place, part in _places(paired(rows, contrast, job), job)
    ]
    cells = [*as_cells(dict.fromkeys(DISTANCES, Interval(nan))), *P, MARGIN_P]
    table = pd.DataFrame(lines, columns=["family", *Contrast._fields, *PLACE, *SIZES, "n_alone", *cells])
    return table.assign(**{f"{p}_holm": table.groupby("family")[p].transform(holm) for p in P})


def narrow(rows: pd.DataFrame) -> pd.DataFrame:
    """Nothing but the columns that contrasts take."""
    numbers = dict.fromkeys([*COLUMNS, *COLUMNS.values(), *JUDGED])
    return rows[[*CELL, "benchmark", "cluster", "device", "weight", *numbers]]


def paired(rows: pd.DataFrame, contrast: Contrast, job: SummariseJob) -> pd.DataFrame:
    """Questions that both answered, the other's columns as X_other."""
    own = rows[rows.method == contrast.method]
    if contrast.other == BASELINE:
        target = {f"{name}_other": own[column] for name, column in COLUMNS.items()}
        recipe = job.methods[contrast.method].draft != PLAIN
        return own.assign(**target, accepted_other=0.0, verified_other=0.0, recipe=recipe)
    return beside(own, opposite(rows, {contrast.method: contrast.other}), [*COLUMNS, *JUDGED], job)


def _places(paired: pd.DataFrame, job: SummariseJob) -> Iterator[tuple[str, Key, pd.DataFrame]]:
    """Kind of place, keys and rows: all main pairs together, that by benchmark, each pair, and controls."""
    pooled = complete(paired, job)
    if len(pooled):
        yield "all pairs", dict.fromkeys(PLACE, ALL), pooled
    for benchmark, part in pooled.groupby("benchmark"):
        yield "by benchmark", dict.fromkeys(PLACE, ALL) | {"benchmark": benchmark}, part
    for (target, draft), part in paired.groupby(["target", "draft"]):
        kind = "each pair" if of_pairs(part, job).all() else "controls"
        yield kind, {"target": target, "draft": draft, "benchmark": ALL}, part


def _line(paired: pd.DataFrame, job: SummariseJob) -> dict[str, Any]:
    """Sizes, distances, intervals and p of one contrast at one place."""
    line: dict[str, Any] = _gathered(batched(paired), job).size | {"n_alone": len(alone(paired))}
    found = distances(paired, job)
    for name, (interval, p) in found.items():
        line |= as_cells({name: interval}) | {f"{name}_p": p}
    return line | {MARGIN_P: _margin_p(batched(paired), found["accuracy_change"][0], job)}


def _margin_p(asked: pd.DataFrame, change: Interval, job: SummariseJob) -> float:
    """Two-sided p that as much accuracy as the margin is lost; NaN where the change has no interval."""
    if isnan(change.low):
        return nan
    answers, largest = _gathered(asked, job), -job.statistics.margin
    return p_against(DISTANCES["accuracy_change"], largest, change, answers, job.statistics.confidence)


def distances(paired: pd.DataFrame, job: SummariseJob) -> dict[str, tuple[Interval, float]]:
    """Each distance with its p: of all questions, of those answered on both sides, of those timed on both."""
    asked = batched(paired)
    views = {"accuracy_change": asked, "speed_ratio": alone(paired)}
    read = answered(asked)
    return {name: _distance(views.get(name, read), quantity, job) for name, quantity in DISTANCES.items()}


def _distance(rows: pd.DataFrame, quantity: Quantity, job: SummariseJob) -> tuple[Interval, float]:
    """Interval and p over clusters of questions, or over them and units of trainings."""
    if rows.empty:
        return Interval(nan), nan
    answers = _gathered(rows, job)
    if answers.crossed:
        return answers.crossed.interval(quantity, job.statistics.confidence), answers.crossed.p(quantity)
    interval = answers.intervals({"": quantity}, sampling(job))[""]
    if answers.over == ONE_TRAINING:
        return Interval(interval.value), nan
    return interval, flip_p(answers.sums, quantity, job.statistics.seed)


def _gathered(rows: pd.DataFrame, job: SummariseJob) -> Group:
    return gathered(with_models(rows), job)
