"""How far two methods are apart on the same questions: a test by sign flips of clusters, and Student's intervals.

Sums hold columns X of the one method and X_other of the other, one sum a cluster. A distance is a quantity of them that
changes its sign, on its scale, where the methods are exchanged.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import log, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as scipy_stats
from scipy.optimize import brentq
from scipy.special import stdtrit  # the quantile of scipy.stats, without its checks

from dreamr.statistics.intervals import (
    LEAST_CLUSTERS,
    Array,
    Interval,
    LazySums,
    Quantity,
    informative,
    scale_of,
)

FLIPS = 4096
# What an interval and a test are over.
QUESTIONS, TRAININGS, ONE_TRAINING = "questions", "questions and trainings", "questions of one training"
LEAST_P = 1e-9  # of Student's; no data here tell smaller ones apart
Sums = Mapping[str, Array]
Columns = Mapping[str, ArrayLike]
Parts = Sequence[tuple[float, int]]  # of a variance, each with its degrees of freedom


def flip_p(sums: Sums, distance: Quantity, seed: int) -> float:
    """Two-sided p that it makes no difference which of the methods answered a cluster; NaN where data are too few.

    Both methods' sums of a cluster change places as a whole, so questions within a cluster may depend on each other in
    any way. For a mean over questions this flips the sign of the cluster's difference.
    """
    clusters = len(next(iter(sums.values())))
    if clusters < LEAST_CLUSTERS:
        return nan
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.abs(scale_of(distance).to(distance(_exchanged(sums, sign_flips(clusters, seed)))))
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


def student(sums: Sums, quantity: Quantity, confidence: float) -> Interval:
    """Student's interval with the jackknife's variance over clusters; unknown where they say nothing about spread."""
    value, left_out = _jackknifed(sums, quantity)
    if not np.isfinite(value) or not informative(left_out):
        return _interval(quantity, value)
    half = float(scipy_stats.t.ppf((1 + confidence) / 2, len(left_out) - 1)) * sqrt(_variance(left_out))
    return _interval(quantity, value, half)


def equivalence_p(sums: Sums, quotient: Quantity, margin: float) -> float:
    """p that a quotient lies outside of 1 / margin to margin: the larger of two one-sided ones (Schuirmann 1987).

    By Student with the jackknife's variance over clusters, on the logarithm; NaN where these say nothing about spread.
    """
    value, left_out = _jackknifed(sums, quotient)
    if not np.isfinite(value) or not informative(left_out):
        return nan
    distance = (log(margin) - abs(value)) / sqrt(_variance(left_out))
    return float(scipy_stats.t.sf(distance, len(left_out) - 1))


def _interval(quantity: Quantity, value: float, half: float = nan) -> Interval:
    """From value and half width on the quantity's scale."""
    return Interval(*(float(scale_of(quantity).back(np.asarray(end))) for end in (value, value - half, value + half)))


class Crossed:
    """Answers of which both clusters of questions and units (trainings) were drawn, for intervals and tests.

    Units answer the same questions, so neither are independent: V_unit + V_question - V_cell, as both of the first hold
    the cells' own variance (Cameron, Gelbach and Miller 2011), and never less than either. A handful of units tells
    little about its spread, so each part of the variance has the quantile of its own degrees of freedom.
    """

    def __init__(self, columns: Columns, clusters: ArrayLike, units: ArrayLike) -> None:
        """`columns` has a number of each answer, `clusters` and `units` where it belongs."""
        labels = np.stack([np.unique(units, return_inverse=True)[1], np.asarray(clusters)])
        cells = np.ravel(np.unique(labels, axis=1, return_inverse=True)[1])
        self._groups = [_grouped(columns, one) for one in (labels[0], labels[1], cells)]

    def interval(self, quantity: Quantity, confidence: float) -> Interval:
        """That of a quantity; unknown where units or clusters say nothing about spread."""
        value, parts = self._spread(quantity)
        return _interval(quantity, value, _quantile(1 - confidence, parts) * _error(parts) if parts else nan)

    def p(self, distance: Quantity) -> float:
        """Two-sided p that a distance is 0 on its scale; NaN where its interval is unknown."""
        value, parts = self._spread(distance)
        return _p(abs(value) / _error(parts), parts) if parts else nan

    def _spread(self, quantity: Quantity) -> tuple[float, Parts]:
        """The value on its scale and the parts of its variance; none where they are unknown."""
        (value, by_unit), (_, by_cluster), (_, by_cell) = (_jackknifed(sums, quantity) for sums in self._groups)
        known = len(by_unit) > 1 and np.isfinite([value, *by_unit, *by_cell]).all()
        if not known or not informative(by_cluster):
            return value, ()
        unit, cluster, cell = (_variance(left_out) for left_out in (by_unit, by_cluster, by_cell))
        rest = max(unit, cluster, unit + cluster - cell) - unit
        return value, ((unit, len(by_unit) - 1), (rest, len(by_cluster) - 1))


def _grouped(columns: Columns, labels: ArrayLike) -> LazySums:
    place = np.unique(labels, return_inverse=True)[1]
    return LazySums(columns, lambda column: np.bincount(place, weights=column).astype(float))


def _error(parts: Parts) -> float:
    return sqrt(sum(variance for variance, _ in parts))


def _quantile(p: float, parts: Parts) -> float:
    """Mean of Student's two-sided quantiles, weighted by the variances (Cochran 1964)."""
    weighted = (-variance * float(stdtrit(freedom, p / 2)) for variance, freedom in parts)
    return sum(weighted) / sum(variance for variance, _ in parts)


def _p(distance: float, parts: Parts) -> float:
    """The p whose quantile a distance in standard errors is."""
    if distance >= _quantile(LEAST_P, parts):
        return LEAST_P
    return float(brentq(lambda p: _quantile(p, parts) - distance, LEAST_P, 1))


def _jackknifed(sums: Sums, quantity: Quantity) -> tuple[float, Array]:
    """The quantity, and that without each cluster, on its scale."""
    to = scale_of(quantity).to
    with np.errstate(divide="ignore", invalid="ignore"):
        value = to(quantity(LazySums(sums, lambda column: column.sum())))
        return float(value), to(quantity(LazySums(sums, lambda column: column.sum() - column)))


def _variance(left_out: Array) -> float:
    size = len(left_out)
    return float((size - 1) / size * np.sum((left_out - left_out.mean()) ** 2))
