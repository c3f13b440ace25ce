"""How well a verdict tells right steps from wrong ones, whatever threshold is put to it."""

from collections.abc import Iterator
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from dreamr.components import verdicts
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, ALL_BENCHMARKS, KEYS
from dreamr.statistics.intervals import Array, Bootstrap, Interval, mean, resampling_weights
from dreamr.statistics.pooling import as_cells, complete, sampling, tabulate

BINS = 10
# Two readings of one verdict: the one that decided, and the mean of SpecReason's ten digits.
READINGS = {"verdict": "auc", "expected": "auc_expected"}


def areas(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Areas of each method on each single pair, then on all main pairs together; all benchmarks."""
    lines = []
    for key, part in _methods(steps, job):
        known = {name: part[part[reading].notna()] for reading, name in READINGS.items()}
        found = {name: area(known[name], job, reading) for reading, name in READINGS.items()}
        lines.append(key | as_cells(found))
    return pd.DataFrame(lines)


def _methods(steps: pd.DataFrame, job: SummariseJob) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    trainings = steps.groupby(ALL_BENCHMARKS).replicate.transform("nunique")
    stratum = steps.target + "/" + steps.draft + "/" + steps.replicate.astype(str)
    steps = steps.assign(stratum=stratum, share=1 / trainings)
    for view in (steps, complete(steps, job).assign(target=ALL, draft=ALL)):
        for key, part in view.assign(benchmark=ALL).groupby(KEYS):
            yield dict(zip(KEYS, key, strict=True)), part


def area(steps: pd.DataFrame, job: SummariseJob, reading: str = "verdict") -> Interval:
    """Area under the ROC curve: how often a right step has the higher verdict than a wrong one (ties count half).

    Steps are compared within their `stratum`, a pair of models after a training, never across: one pair's verdicts may
    all lie higher than another's. Pairs weigh alike, and in a pair its trainings (`share`); in a training a step has
    the weight of its answer. The interval resamples clusters, and takes trainings as given: a resample's area is the
    weighted mean over pairs of clusters.
    """
    names, place = np.unique(steps.cluster, return_inverse=True)
    wins, compared = np.zeros((2, len(names), len(names)))
    for _, rows in steps.assign(place=place).groupby("stratum"):
        more, of = _comparisons(rows, reading, len(names))
        if of.any():
            scale = rows.share.iloc[0] / of.sum()
            wins, compared = wins + scale * more, compared + scale * of
    if not compared.any():
        return Interval(nan)
    return sampling(job).interval(*_areas(wins, compared, sampling(job)))


def _comparisons(rows: pd.DataFrame, reading: str, clusters: int) -> tuple[Array, Array]:
    """Between the right steps of one cluster and the wrong ones of another: wins, and how many were compared."""
    right, wrong = rows[rows.right > 0.5], rows[rows.right < 0.5]
    higher = np.sign(right[reading].to_numpy()[:, None] - wrong[reading].to_numpy()) / 2 + 0.5
    good, bad = _by_cluster(right, clusters), _by_cluster(wrong, clusters)
    return (good @ higher) @ bad.T, np.outer(good.sum(axis=1), bad.sum(axis=1))


def _by_cluster(rows: pd.DataFrame, clusters: int) -> csr_array:
    """The weight of each step in the row of its cluster; sparse, as steps are many and in one cluster each."""
    return csr_array((rows.weight, (rows.place, np.arange(len(rows)))), shape=(clusters, len(rows)))


def _areas(wins: Array, compared: Array, bootstrap: Bootstrap) -> tuple[float, Array, Array]:
    """The area, in every resample, and without each cluster."""
    weights = resampling_weights(len(wins), bootstrap.resamples, bootstrap.seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = _weighted(weights, wins) / _weighted(weights, compared)
        left_out = _without_each(wins) / _without_each(compared)
    return float(wins.sum() / compared.sum()), resampled, left_out


def _weighted(weights: Array, between: Array) -> Array:
    summed: Array = ((weights @ between) * weights).sum(axis=1)
    return summed


def _without_each(between: Array) -> Array:
    kept: Array = between.sum() - between.sum(axis=0) - between.sum(axis=1) + np.diag(between)
    return kept


def calibration(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Share of right steps by verdict, in ten bins of equal width; scores from 0 to 9 are put on the same scale."""
    scaled = steps.verdict / steps.method.map(lambda name: verdicts(str(job.methods[name].verifier)).largest)
    binned = steps.assign(bin=np.minimum((scaled * BINS).astype(int), BINS - 1).astype(str), scaled=scaled)
    quantities = {"right": mean("right"), "verdict": mean("scaled")}
    return tabulate(binned, job, quantities, [*ALL_BENCHMARKS, "bin"])


def roc(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Shares of wrong and of right steps whose verdict exceeds a threshold, per method and reading.

    All main pairs are put together, under one threshold for all of them; a step has the weight of its answer.
    """
    lines = []
    for method, rows in complete(steps, job).groupby("method"):
        for reading in READINGS:
            known = rows[rows[reading].notna()]
            value, weight = known[reading].round(3).to_numpy(), known.weight.to_numpy()
            right = known.right.to_numpy() > 0.5
            for threshold in [-1.0, *np.unique(value)] if len(known) else []:
                above = value > threshold
                shares = {
                    "false_accept": _share(above[~right], weight[~right]),
                    "true_accept": _share(above[right], weight[right]),
                }
                lines.append({"method": method, "reading": reading, "threshold": threshold, "n": len(known)} | shares)
    return pd.DataFrame(lines, columns=["method", "reading", "threshold", "n", "false_accept", "true_accept"])


def _share(which: NDArray[np.bool_], weight: Array) -> float:
    return float(np.average(which, weights=weight)) if weight.any() else nan
