"""Contrasts: two methods on the same questions of the same pairs, how far they are apart, and a test of it.

A change is in the quantity's own unit; a ratio is the geometric mean over questions. Where both methods have the same
draft, the interval is over questions and the test exchanges the methods in whole clusters: both take pairs and drafts
as given. Where a trained draft differs, a contrast speaks of a recipe, and a recipe is known only by its trainings:
then interval and test cross questions with trainings (of a pool: with plain drafts, all trainings of one taken
together, as they and the targets have much in common).
"""

from collections.abc import Iterator
from math import nan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dreamr.config import PLAIN
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ablations, trained_twins
from dreamr.statistics.frame import ALL, BASELINE, Key, alone, answered, as_cells, batched, complete
from dreamr.statistics.intervals import Interval, cluster_sums, difference, holm, ratio
from dreamr.statistics.interventions import intervened
from dreamr.statistics.paired import ONE_TRAINING, QUESTIONS, TRAININGS, crossed, flip_p, student


class Contrast(NamedTuple):
    """`method` against `other`, and what differs between them."""

    method: str
    other: str
    differs: str


# Contrasts between methods that are no ablation of each other. Those of ablations and of SAPO follow from the methods,
# and so do those of main methods that are not named here.
BETWEEN = (
    Contrast("dreamr", BASELINE, "headline"),
    Contrast("dreamr", "specreason", "headline"),
    Contrast("dreamr", "lookahead", "headline"),
    Contrast("specreason", "lookahead", "headline"),
    Contrast("specreason", BASELINE, "headline"),
    Contrast("specreason", "dreamr_ns", "verifier"),  # same draft; what FPSR writes does not depend on its schedule
    Contrast("lookahead", "dreamr_ns", "schedule"),  # same draft
    Contrast("schedule_sequential", "schedule_pipelined", "schedule"),
    Contrast("lookahead_published", "lookahead", "schedule"),
    Contrast("lookahead_continues", "lookahead", "schedule"),
)
# Distances between ratios of two columns' sums on the same questions; those of logarithms are shown as ratios.
DISTANCES: dict[str, tuple[str, str]] = {
    "accuracy_change": ("correct", "n"),
    "acceptance_change": ("accepted", "verified"),
    "tokens_ratio": ("log_tokens", "n"),
    "speed_ratio": ("log_speed", "n"),
}
COLUMNS = [*dict.fromkeys(name for columns in DISTANCES.values() for name in columns), "refused", "untimed"]
TARGET = ["target_correct", "target_log_tokens", "target_refused"]  # by itself, with the same question
PLACE = ["target", "draft", "benchmark"]
ROW = ["target", "draft", "mode", "at_once", "item"]
WHERE = ["method", "replicate", "benchmark", "cluster", "device"]
P = [f"{name}_p" for name in DISTANCES]


def contrasts(trainings: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """One row per contrast and place, with each distance, its interval, p, and p corrected by Holm over the family.

    A family holds one distance of all contrasts in which the same differs, in one kind of place: all pairs together,
    those by benchmark, or each pair. `over` says what varies in intervals and tests, `trainings` how many trained
    drafts took part; `n_alone` counts timed answers.
    """
    rows = _with_logarithms(trainings)[[*ROW, *WHERE, *COLUMNS, *TARGET]]
    lines = [
        {"family": f"{contrast.differs}, {kind}", **contrast._asdict(), **place, **_line(part, contrast, job)}
        for contrast in _contrasts(job)
        for kind, place, part in _places(_paired(rows, contrast, job), job)
    ]
    cells = [*as_cells(dict.fromkeys(DISTANCES, Interval(nan))), *P]
    sizes = ["over", "trainings", "n", "clusters", "n_alone"]
    table = pd.DataFrame(lines, columns=["family", *Contrast._fields, *PLACE, *sizes, *cells])
    return table.assign(**{f"{p}_holm": table.groupby("family")[p].transform(holm) for p in P})


def _contrasts(job: SummariseJob) -> Iterator[Contrast]:
    """Those of methods that are configured."""
    yield from (contrast for contrast in BETWEEN if {contrast.method, contrast.other} <= {*job.methods})
    named = {name for contrast in BETWEEN for name in (contrast.method, contrast.other)}
    for method in (name for name in job.compared if name not in named):
        yield from (Contrast(method, other, "headline") for other in (BASELINE, job.reference))
    twins = trained_twins(job.methods, job.reference)
    yield from (Contrast(method, plain, "training") for method, plain in twins.items())
    for row in ablations(job).itertuples():
        yield Contrast(row.method, job.reference, row.kind)
    yield from (Contrast(change.method, change.without, "intervention") for change in intervened(job.methods))


def _with_logarithms(rows: pd.DataFrame) -> pd.DataFrame:
    """An answer without a token counts as one of one token; a refused one is in no mean of either."""
    speed = np.log(rows.baseline_seconds) - np.log(rows.seconds)
    tokens, target_tokens = (np.log(rows[name].clip(lower=1)) for name in ("tokens_by_target", "target_tokens_alone"))
    return rows.assign(log_tokens=tokens, target_log_tokens=target_tokens, log_speed=speed)


def _paired(rows: pd.DataFrame, contrast: Contrast, job: SummariseJob) -> pd.DataFrame:
    """Questions that both answered, the other's columns as X_other; a plain draft stands beside each training."""
    own = rows[rows.method == contrast.method]
    if contrast.other == BASELINE:
        target = {name.removeprefix("target_"): own[name] for name in TARGET}
        baseline = own.assign(**target, accepted=0, verified=0, log_speed=0)
        return own.join(baseline[COLUMNS].add_suffix("_other"))
    other = rows[rows.method == contrast.other]
    trained = [job.methods[name].draft != PLAIN for name in (contrast.method, contrast.other)]
    on = [*ROW, "replicate"] if all(trained) else ROW
    return own.merge(other[[*on, *COLUMNS]], on=on, suffixes=("", "_other"))


def _places(paired: pd.DataFrame, job: SummariseJob) -> Iterator[tuple[str, Key, pd.DataFrame]]:
    """Kind of place, keys and rows: all main pairs together, that by benchmark, and each pair."""
    pooled = pd.concat([complete(part, job) for _, part in paired.groupby("replicate")] or [paired])
    if len(pooled):
        yield "all pairs", dict.fromkeys(PLACE, ALL), pooled
    for benchmark, part in pooled.groupby("benchmark"):
        yield "by benchmark", dict.fromkeys(PLACE, ALL) | {"benchmark": benchmark}, part
    for (target, draft), part in paired.groupby(["target", "draft"]):
        yield "each pair", {"target": target, "draft": draft, "benchmark": ALL}, part


def _line(paired: pd.DataFrame, contrast: Contrast, job: SummariseJob) -> dict[str, Any]:
    """Sizes, distances, intervals and p of one contrast at one place."""
    own, other = (job.methods[name].draft for name in (contrast.method, contrast.other))
    paired = paired.assign(unit=paired.draft if paired.draft.nunique() > 1 else paired.replicate)
    over = QUESTIONS if own == other else TRAININGS if paired.unit.nunique() > 1 else ONE_TRAINING
    trained = 0 if own == other == PLAIN else len(paired[["target", "draft", "replicate"]].drop_duplicates())
    asked, timed = batched(paired), alone(paired)
    read = answered(asked)
    sizes = {"n": len(asked), "clusters": asked.cluster.nunique(), "n_alone": len(timed)}
    line: dict[str, Any] = {"over": over, "trainings": trained, **sizes}
    views = {"accuracy_change": asked, "speed_ratio": timed}
    for name, columns in DISTANCES.items():
        interval, p = _distance(views.get(name, read), columns, over == TRAININGS, job)
        line |= as_cells({name: _as_ratio(interval) if name.endswith("_ratio") else interval}) | {f"{name}_p": p}
    return line


def _distance(
    rows: pd.DataFrame, columns: tuple[str, str], over_units: bool, job: SummariseJob
) -> tuple[Interval, float]:
    """Interval and p over clusters of questions, or over them and units of trainings."""
    if rows.empty:
        return Interval(nan), nan
    distance = difference(ratio(*columns), ratio(*(f"{name}_other" for name in columns)))
    names = [side for name in columns for side in (name, f"{name}_other")]
    numbers, clusters = {name: rows[name].to_numpy(dtype=float) for name in names}, rows.cluster.to_numpy()
    if over_units:
        return crossed(numbers, clusters, rows.unit.to_numpy(), distance, job.statistics.confidence)
    sums = cluster_sums(numbers, clusters)
    return student(sums, distance, job.statistics.confidence), flip_p(sums, distance, job.statistics.seed)


def _as_ratio(interval: Interval) -> Interval:
    return Interval(*(float(np.exp(value)) for value in (interval.value, interval.low, interval.high)))
