"""Calibrations on halves of the problems of a run, each checked on the other half."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.risk import risk_test

CALIBRATIONS = 20  # our decision: one broken promise in them is what a confidence of .95 allows on average
LEAST_PROBLEMS = 1000  # of a half, our decision: with fewer, hardly any threshold can be certified
LEAST_THRESHOLDS = 3  # our decision: with fewer there is nothing to choose
PLACE = ["target", "draft", "replicate"]
COLUMNS = [*PLACE, "method", "calibration", "risk", "confidence", "problems", "alpha", "elsewhere", "loss", "broken"]


def recalibrations(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Each calibration: the threshold that it chose on `problems` of them, and its `loss` on the `elsewhere` others.

    The risk is `statistics.margin`. A problem counts in one version. `alpha` is empty where nothing was certified: the
    method is then the target alone, and loses nothing. `broken`: the loss there is larger than the risk. All
    calibrations of a pair share its problems, so they depend on each other.
    """
    found = []
    for place, method, losses in _families(rows, job):
        rng = np.random.default_rng(job.statistics.seed)
        told = dict(zip(PLACE, place, strict=True)) | {"method": method}
        calibrated = (_calibrated(losses, rng.permutation(len(losses)), job) for _ in range(CALIBRATIONS))
        found += [told | {"calibration": number} | one for number, one in enumerate(calibrated, 1)]
    return pd.DataFrame(found, columns=COLUMNS)


def _families(rows: pd.DataFrame, job: SummariseJob) -> Iterator[tuple[tuple[str, str, int], str, pd.DataFrame]]:
    """Methods that differ in their threshold alone, with their losses on each pair that has problems enough.

    Of these a line is a problem, a column a threshold, the strictest first.
    """
    batched = rows[rows["mode"] == "batched"].dropna(subset=["target_correct"])
    for alphas in _thresholds(job.own):
        asked = batched[batched.method.isin(alphas)]
        for place, part in asked.groupby(PLACE):
            losses = _losses(part.assign(alpha=part.method.map(alphas)))
            if losses.shape[1] >= LEAST_THRESHOLDS and len(losses) >= 2 * LEAST_PROBLEMS:
                yield place, _named(alphas, job), losses


def _thresholds(methods: Mapping[str, Method]) -> list[dict[str, float]]:
    """By method, the thresholds of each family."""
    families: dict[str, dict[str, float]] = {}
    for name, method in methods.items():
        if isinstance(method.alpha, float):
            families.setdefault(method.model_dump_json(exclude={"alpha"}), {})[name] = method.alpha
    return [*families.values()]


def _named(alphas: Mapping[str, float], job: SummariseJob) -> str:
    """The method that a family is called by: the reference, else the first whose name says no threshold."""
    return min(alphas, key=lambda name: (name != job.reference, f"{alphas[name]:g}" in job.label(name)))


def _losses(rows: pd.DataFrame) -> pd.DataFrame:
    """Target right minus method right, of the first version of each problem that all thresholds were asked.

    A threshold that was run on too few problems is left out: it would take the problems of the others away.
    """
    each = rows.assign(loss=rows.target_correct - rows.correct)
    table = each.pivot_table(index=["cluster", "item"], columns="alpha", values="loss")
    asked = table.notna().groupby("cluster").any().sum()
    table = table[asked.index[asked >= 2 * LEAST_PROBLEMS]].dropna().groupby("cluster").first()
    return table[sorted(table.columns, reverse=True)]


def _calibrated(losses: pd.DataFrame, order: NDArray[np.int_], job: SummariseJob) -> dict[str, object]:
    """One calibration on the first half of the problems in this order."""
    half = len(order) // 2
    seen, others = losses.iloc[order[:half]], losses.iloc[order[half:]]
    alpha = _certified(seen, job.statistics.margin, 1 - job.statistics.confidence)
    loss = 0.0 if alpha is None else float(others[alpha].mean())
    promised = {"risk": job.statistics.margin, "confidence": job.statistics.confidence}
    sizes = {"problems": half, "elsewhere": len(others)}
    return promised | sizes | {"alpha": alpha, "loss": loss, "broken": loss > job.statistics.margin}


def _certified(losses: pd.DataFrame, risk: float, level: float) -> float | None:
    """The last threshold that is certified, of those up to the first that is not."""
    found = None
    for alpha, column in losses.items():
        if risk_test(column.to_list(), risk, level, len(losses)).decision != "certified":
            break
        found = float(str(alpha))
    return found
