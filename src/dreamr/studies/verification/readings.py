"""Three readings of a verdict at one operating point: how many wrong steps pass where as many right ones are rejected.

CPN's rho, SpecReason's likeliest digit, and the mean of its ten digits. Each draft has its own, by a method that judges
by CPN and one that judges by score. On one half of the problems each reading's threshold is set so that it rejects as
many right steps as CPN does at its own alpha; rates are of the other half. A digit takes few values, so of the steps
that lie on the threshold a share is accepted, as if by a coin: only so can rejections be equal. Thresholds are taken as
given in intervals.
"""

from collections.abc import Iterator
from math import nan
from typing import NamedTuple

import numpy as np
import pandas as pd

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.provenance import uniform
from dreamr.statistics.frame import ALL, ALL_BENCHMARKS
from dreamr.statistics.intervals import Array, Quantity, difference, ratio, share
from dreamr.statistics.pooling import complete, tabulate
from dreamr.statistics.step_frame import reweighed, with_outcomes

PLACE = ["target", "draft", "drafted_by"]
OF_DRAFT = ["target", "draft", "replicate", "benchmark", "question"]
RATES: dict[str, Quantity] = {
    "false_accept": share("wrong_accepted", "wrong"),
    "false_reject": share("right_rejected", "right"),
}
COUNTS = ("wrong_accepted", "wrong", "right_rejected", "right")
# Against rho, at thresholds that were matched to it.
CHANGES: dict[str, Quantity] = {
    f"{name}_change": difference(ratio(hits, of), ratio(f"{hits}_other", f"{of}_other"))
    for name, hits, of in (("false_accept", "wrong_accepted", "wrong"), ("false_reject", "right_rejected", "right"))
}
RHO = "rho"
LIKELIEST, MEAN = "likeliest digit", "mean digit"
PLACES = {RHO: "1", LIKELIEST: "2", MEAN: "3"}  # of readings, in their order
KEYS = [*ALL_BENCHMARKS, "drafted_by", "reading"]


class Reading(NamedTuple):
    """What is read of a method's verdicts: `column` of the verified steps."""

    name: str
    method: str
    column: str


class Threshold(NamedTuple):
    """Values above `at` are accepted, and of those at it the share `kept`."""

    at: float
    kept: float


def readings(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Wrong steps accepted and right ones rejected by each reading at matched thresholds, on the half not matched on.

    `drafted_by` is `plain` or the draft's recipe. `threshold` is matched pair by pair; the share `kept` of the steps
    that lie on it is accepted. X_change is against rho, whose steps are those of another method with the same draft.
    """
    judged = _judged(steps, job)
    if judged.empty:
        return pd.DataFrame(columns=[*KEYS, "benchmark", "n"])
    table = tabulate(judged, job, RATES, KEYS)
    changes = tabulate(_beside_rho(judged), job, CHANGES, KEYS)
    ends = [f"{name}{end}" for name in CHANGES for end in ("", "_low", "_high")]
    table = table.merge(changes[[*KEYS, *ends]], how="left", on=KEYS)
    thresholds = judged.drop_duplicates([*PLACE, "reading"])[[*PLACE, "reading", "threshold", "kept"]]
    table = table.merge(thresholds, how="left", on=[*PLACE, "reading"])
    return table.sort_values([*PLACE, "reading"], key=lambda column: column.replace(PLACES), ignore_index=True)


def reading_curves(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Shares of wrong and of right steps that each reading accepts above a threshold, on the half not used to match.

    Of all main pairs together where the methods ran on all of them, else of each pair.
    """
    judged = _judged(steps, job)
    lines = []
    for (drafted_by, reading), rows in judged.groupby(["drafted_by", "reading"]) if len(judged) else ():
        pooled = complete(rows, job)
        whole = len(pooled) and len(job.pairs) > 1
        rows = pooled.assign(target=ALL, draft=ALL) if whole else rows
        for (target, draft, method), part in rows.groupby(ALL_BENCHMARKS):
            key = {"target": target, "draft": draft, "method": method, "drafted_by": drafted_by, "reading": reading}
            lines += [key | {"benchmark": ALL} | point for point in _curve(part)]
    names = ["target", "draft", "method", "drafted_by", "reading", "benchmark", "threshold"]
    return pd.DataFrame(lines, columns=[*names, "false_accept", "true_accept"])


def _curve(rows: pd.DataFrame) -> Iterator[dict[str, float]]:
    value, right, weight = rows.value.round(3).to_numpy(), rows.right.to_numpy(), rows.weight.to_numpy()
    for threshold in [-1.0, *np.unique(value)]:
        above = (value > threshold) * weight
        yield {
            "threshold": threshold,
            "false_accept": _part(above * (1 - right), weight * (1 - right)),
            "true_accept": _part(above * right, weight * right),
        }


def _part(some: Array, whole: Array) -> float:
    return float(some.sum() / whole.sum()) if whole.any() else nan


def _judged(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The steps of the half that is told of, judged by each reading at its threshold; on questions that both have."""
    parts = []
    for drafted_by, found in _readings(job).items() if len(steps) else ():
        for _, rows in _common(steps, found).groupby(["target", "draft"]):
            parts += list(_matched(rows.assign(drafted_by=drafted_by), found))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*KEYS])


def _readings(job: SummariseJob) -> dict[str, list[Reading]]:
    """By draft, what is read where the reference's method, or that with this draft, stands beside one that scores."""
    base, found = job.methods[job.reference], {}
    if base.verifier != "cpn":
        return {}
    by_settings = {method: name for name, method in job.own.items()}
    scoring: dict[str, str] = {}
    for name, method in job.own.items():
        if _scores(method, base):
            scoring.setdefault(method.draft, name)
    for draft, name in scoring.items():
        if own := by_settings.get(base.model_copy(update={"draft": draft})):
            digits = [Reading(LIKELIEST, name, "verdict"), Reading(MEAN, name, "expected")]
            found[draft] = [Reading(RHO, own, "verdict"), *digits]
    return found


def _scores(method: Method, base: Method) -> bool:
    usual = (method.budget, method.answers) == (base.budget, base.answers)
    return method.verifier == "score" and method.asks_about_a_step and usual


def _common(steps: pd.DataFrame, found: list[Reading]) -> pd.DataFrame:
    """Steps of both methods, of questions that both answered with the same draft: a training that one lacks is out."""
    own = steps[steps.method.isin([reading.method for reading in found])]
    return reweighed(own[own.groupby(OF_DRAFT).method.transform("nunique") == 2])


def _matched(rows: pd.DataFrame, found: list[Reading]) -> Iterator[pd.DataFrame]:
    """One pair's steps of the half that is told of, by each reading."""
    rows = rows.assign(to_match=[_to_match(*one) for one in zip(rows.benchmark, rows.group, strict=True)])
    by_rho = rows[rows.to_match & (rows.method == found[0].method)]
    rejected = _part((by_rho.weight * by_rho.right_rejected).to_numpy(), (by_rho.weight * by_rho.right).to_numpy())
    for reading in found:
        own = rows[(rows.method == reading.method) & rows[reading.column].notna()]
        own = own.assign(value=own[reading.column], reading=reading.name)
        right = own[own.to_match & (own.right == 1)]
        if len(right) and not np.isnan(rejected):
            threshold = matched(right.value.to_numpy(), right.weight.to_numpy(), rejected)
            told = own[~own.to_match]
            accepted = (told.value > threshold.at) + threshold.kept * (told.value == threshold.at)
            yield with_outcomes(told.assign(accepted=accepted, threshold=threshold.at, kept=threshold.kept))


def _to_match(benchmark: str, problem: str) -> bool:
    """Whether thresholds are matched on this problem; its versions are in one half."""
    return uniform("readings", benchmark, problem) < 0.5


def matched(values: Array, weights: Array, rejected: float) -> Threshold:
    """The threshold that rejects this share of steps with such values."""
    levels, place = np.unique(values, return_inverse=True)
    shares = np.bincount(place, weights=weights) / weights.sum()
    below = np.concatenate([[0.0], np.cumsum(shares)[:-1]])
    at = int(np.flatnonzero(below <= rejected + 1e-12)[-1])
    return Threshold(float(levels[at]), 1 - min((rejected - below[at]) / shares[at], 1.0))


def _beside_rho(judged: pd.DataFrame) -> pd.DataFrame:
    """Each other reading's steps, and rho's with the same draft, whose counts are X_other, in its name."""
    rho = judged[judged.reading == RHO]
    others = {f"{name}_other": rho[name] for name in COUNTS}
    parts = []
    for (reading, drafted_by), own in judged[judged.reading != RHO].groupby(["reading", "drafted_by"]):
        beside = rho.assign(**others, **dict.fromkeys(COUNTS, 0.0), reading=reading, method=own.method.iloc[0])
        beside = beside[beside.drafted_by == drafted_by].merge(own[["target", "draft"]].drop_duplicates())
        parts += [own.assign(**{name: 0.0 for name in others}), beside]
    return pd.concat(parts, ignore_index=True)
