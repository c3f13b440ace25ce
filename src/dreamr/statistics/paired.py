"""How far two methods are apart on the same questions: a test by sign flips of clusters, and Student's intervals.

Sums hold columns X of the one method and X_other of the other, one sum a cluster. A distance is a quantity of them that
changes its sign where the methods are exchanged.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import nan, sqrt

import numpy as np
from scipy import stats as scipy_stats
from scipy.optimize import brentq

from dreamr.statistics.intervals import LEAST_CLUSTERS, Array, Interval, Quantity, cluster_sums, informative

FLIPS = 4096
# What an interval and a test are over.
QUESTIONS, TRAININGS, ONE_TRAINING = "questions", "questions and trainings", "questions of one training"
LEAST_P = 1e-9  # of Student's; no data here tell smaller ones apart
Sums = Mapping[str, Array]
Columns = Mapping[str, Sequence[float]]
Parts = Sequence[tuple[float, int]]  # of a variance, each with its degrees of freedom


def flip_p(sums: Sums, distance: Quantity, seed: int) -> float:
    """Two-sided p that it makes no difference which of the methods answered a cluster; NaN where data are too few.

    Both methods' sums of a cluster change places as a whole, so questions within a cluster may depend on each other in
    any way. For a mean over questions this flips the sign of the cluster's difference.
    """
    clusters = len(next(iter(sums.values())))
    if clusters < LEAST_CLUSTERS:
        return nan
    with np.errstate(invalid="ignore"):
        distances = np.abs(distance(_exchanged(sums, sign_flips(clusters, seed))))
    if not np.isfinite(distances).all():
        return nan
    return float(np.mean(distances >= distances[0] * (1 - 1e-9) - 1e-12))  # equal ones, up to rounding, count


@lru_cache(maxsize=8)  # of megabytes each
def sign_flips(clusters: int, seed: int) -> Array:
    """Signs of the clusters, shape (flips, clusters); the first line is what was seen.

    All that there are where these are no more than FLIPS (13 clusters), the first cluster's sign being fixed, as a
    distance and its negative are equally far. Else a sample: what was seen is one of it, so a p is never 0 and the test
    keeps its level (Phipson and Smyth 2010).
    """
    if 2 ** (clusters - 1) <= FLIPS:
        return np.array([(1.0, *signs) for signs in product((1.0, -1.0), repeat=clusters - 1)])
    drawn = np.random.default_rng(seed).choice([1.0, -1.0], size=(FLIPS, clusters))
    drawn[0] = 1
    return drawn


def _exchanged(sums: Sums, signs: Array) -> dict[str, Array]:
    """Total sums where clusters of negative sign change places; shape (flips,)."""
    exchanged: dict[str, Array] = {}
    for name, other in ((name, f"{name}_other") for name in sums if f"{name}_other" in sums):
        both, apart = np.sum(sums[name] + sums[other]), signs @ (sums[name] - sums[other])
        exchanged |= {name: (both + apart) / 2, other: (both - apart) / 2}
    return exchanged


def student(sums: Sums, distance: Quantity, confidence: float) -> Interval:
    """Student's interval with the jackknife's variance over clusters; unknown where they say nothing about spread."""
    value, left_out = _jackknifed(sums, distance)
    if not np.isfinite(value) or not informative(left_out):
        return Interval(value)
    half = float(scipy_stats.t.ppf((1 + confidence) / 2, len(left_out) - 1)) * sqrt(_variance(left_out))
    return Interval(value, value - half, value + half)


def crossed(
    columns: Columns, clusters: Sequence[int], units: Sequence[str | int], distance: Quantity, confidence: float
) -> tuple[Interval, float]:
    """Interval and two-sided p where clusters of questions and units (trainings) were both drawn.

    Units answer the same questions, so neither are independent: V_unit + V_question - V_cell, as both of the first hold
    the cells' own variance (Cameron, Gelbach and Miller 2011), and never less than either. A handful of units tells
    little about its spread, so each part of the variance has the quantile of its own degrees of freedom.
    """
    cells = np.unique(np.stack([np.unique(units, return_inverse=True)[1], clusters]), axis=1, return_inverse=True)[1]
    groups = [cluster_sums(columns, labels) for labels in (units, clusters, np.ravel(cells).tolist())]
    (value, by_unit), (_, by_cluster), (_, by_cell) = (_jackknifed(sums, distance) for sums in groups)
    if not np.isfinite(value) or len(by_unit) < 2 or not informative(by_cluster):
        return Interval(value), nan
    unit, cluster, cell = (_variance(left_out) for left_out in (by_unit, by_cluster, by_cell))
    rest = max(unit, cluster, unit + cluster - cell) - unit
    parts, error = ((unit, len(by_unit) - 1), (rest, len(by_cluster) - 1)), sqrt(unit + rest)
    half = _quantile(1 - confidence, parts) * error
    return Interval(value, value - half, value + half), _p(abs(value) / error, parts)


def _quantile(p: float, parts: Parts) -> float:
    """Mean of Student's two-sided quantiles, weighted by the variances (Cochran 1964)."""
    weighted = (variance * float(scipy_stats.t.isf(p / 2, freedom)) for variance, freedom in parts)
    return sum(weighted) / sum(variance for variance, _ in parts)


def _p(distance: float, parts: Parts) -> float:
    """The p whose quantile a distance in standard errors is."""
    if distance >= _quantile(LEAST_P, parts):
        return LEAST_P
    return float(brentq(lambda p: _quantile(p, parts) - distance, LEAST_P, 1))


def _jackknifed(sums: Sums, distance: Quantity) -> tuple[float, Array]:
    """The distance, and that without each cluster."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(distance({name: column.sum() for name, column in sums.items()}))
        return value, distance({name: column.sum() - column for name, column in sums.items()})


def _variance(left_out: Array) -> float:
    size = len(left_out)
    return float((size - 1) / size * np.sum((left_out - left_out.mean()) ** 2))
