"""Estimates with intervals from clustered, paired data. Pure functions: the same rows give the same numbers.

Every quantity of the tables is a function of column sums over questions (a mean, a ratio of means, a difference of
two ratios over the same questions), so one resampling of clusters serves all quantities of a group, paired by
construction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special as scipy_special
from scipy import stats as scipy_stats
from statsmodels.stats.power import TTestPower

Array = NDArray[np.float64]
Quantity = Callable[[Mapping[str, Array]], Array]  # from column sums, any shape, to the quantity, same shape

LEAST_CLUSTERS = 6  # fewer say nothing about spread
LEAST_DEVIANTS = 4  # so many clusters must differ from the commonest one, else spread rests on a handful of events


@dataclass(frozen=True)
class Interval:
    """A value and its interval; NaN where the data cannot tell."""

    value: float
    low: float = nan
    high: float = nan


class Scale(NamedTuple):
    """Where a quantity's interval by Student is symmetric: to that scale, and back."""

    to: Callable[[Array], Array]
    back: Callable[[Array], Array]


PLAIN_SCALE = Scale(np.asarray, np.asarray)
LOGARITHM = Scale(np.log, np.exp)  # of quotients, where 1 is "alike"
LOGIT = Scale(scipy_special.logit, scipy_special.expit)  # of shares, which end at 0 and 1


@dataclass(frozen=True)
class Scaled:
    """A quantity with the scale of its interval."""

    quantity: Quantity
    scale: Scale

    def __call__(self, sums: Mapping[str, Array]) -> Array:
        """The quantity itself."""
        return self.quantity(sums)


def scale_of(quantity: Quantity) -> Scale:
    """That of a Scaled quantity, else the plain one."""
    return quantity.scale if isinstance(quantity, Scaled) else PLAIN_SCALE


class LazySums(dict[str, Array]):
    """Sums of the columns that a quantity asks for, each made once."""

    def __init__(self, columns: Mapping[str, ArrayLike], total: Callable[[Array], Array]) -> None:
        super().__init__()
        self.columns, self.total = columns, total

    def __missing__(self, name: str) -> Array:
        self[name] = self.total(np.asarray(self.columns[name], dtype=float))
        return self[name]


@dataclass(frozen=True)
class Bootstrap:
    """Clustered bootstrap with expanded percentile intervals (Hesterberg 2015, section 5.3).

    Plain percentile intervals are too narrow for few clusters; their level is widened so that an interval for a mean
    would be as wide as Student's. Coverage is tested on simulated clustered and skewed data.
    """

    resamples: int
    confidence: float
    seed: int

    def intervals(self, sums: Mapping[str, Array], quantities: Mapping[str, Quantity]) -> dict[str, Interval]:
        """Each quantity of `sums` (per column, one sum a cluster; shape (clusters,))."""
        weights = resampling_weights(len(next(iter(sums.values()))), self.resamples, self.seed)
        total = LazySums(sums, lambda column: column.sum())
        resampled = LazySums(sums, lambda column: weights @ column)
        left_out = LazySums(sums, lambda column: column.sum() - column)
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                name: self.interval(float(quantity(total)), quantity(resampled), quantity(left_out))
                for name, quantity in quantities.items()
            }

    def interval(self, value: float, resampled: Array, left_out: Array) -> Interval:
        """From the value in every resample and the value without each cluster."""
        if not np.isfinite(value):
            return Interval(nan)
        if not informative(left_out) or not np.isfinite(resampled).all():
            return Interval(value)
        low, high = np.quantile(resampled, expanded_levels(self.confidence, len(left_out)))
        return Interval(value, float(low), float(high)) if low < high else Interval(value)


@lru_cache(maxsize=32)
def resampling_weights(clusters: int, resamples: int, seed: int) -> Array:
    """How often each cluster is drawn in each resample; shape (resamples, clusters)."""
    draws = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    return draws.astype(float)


@lru_cache(maxsize=256)
def expanded_levels(confidence: float, clusters: int) -> tuple[float, float]:
    """Percentiles whose interval for a mean has Student's width instead of the bootstrap's."""
    quantile = scipy_stats.t.ppf((1 + confidence) / 2, clusters - 1) * np.sqrt(clusters / (clusters - 1))
    return float(scipy_stats.norm.cdf(-quantile)), float(scipy_stats.norm.cdf(quantile))


def informative(left_out: Array) -> bool:
    """Whether enough clusters pull on the estimate in different ways; `left_out` is the estimate without each."""
    if len(left_out) < LEAST_CLUSTERS or not np.isfinite(left_out).all():
        return False
    _, counts = np.unique(np.round(left_out, 12), return_counts=True)
    return bool(len(left_out) - np.max(counts) >= LEAST_DEVIANTS)


def cluster_sums(columns: Mapping[str, ArrayLike], clusters: ArrayLike) -> dict[str, Array]:
    """Sum each column within clusters, clusters in the order of their names; a NaN makes its cluster's sum NaN."""
    _, place = np.unique(np.asarray(clusters), return_inverse=True)
    return {
        name: np.bincount(place, weights=np.asarray(column, dtype=float)).astype(float)
        for name, column in columns.items()
    }


def mean(column: str, count: str = "n") -> Quantity:
    """Mean of a column over questions."""
    return ratio(column, count)


def ratio(above: str, below: str) -> Quantity:
    """Ratio of means: the ratio of two sums over the same questions."""
    return lambda sums: sums[above] / sums[below]


def share(hits: str, of: str = "n") -> Quantity:
    """A ratio that lies between 0 and 1."""
    return Scaled(ratio(hits, of), LOGIT)


def times(above: str, below: str) -> Quantity:
    """How many times as much: a ratio that is 1 where both are alike."""
    return Scaled(ratio(above, below), LOGARITHM)


def total(column: str) -> Quantity:
    """Sum of a column over questions."""
    return lambda sums: sums[column]


def difference(first: Quantity, second: Quantity) -> Quantity:
    """Difference of two quantities over the same questions."""
    return lambda sums: first(sums) - second(sums)


def unknown(sums: Mapping[str, Array]) -> Array:
    """What cannot be asked of these data."""
    return np.full_like(sums["n"], nan)


def product(first: Quantity, second: Quantity) -> Quantity:
    """Product of two quantities over the same questions, each a quotient."""
    return Scaled(lambda sums: first(sums) * second(sums), LOGARITHM)


def quotient(first: Quantity, second: Quantity) -> Quantity:
    """Ratio of two quantities over the same questions."""
    return Scaled(lambda sums: first(sums) / second(sums), LOGARITHM)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction over one family; NaN entries are no tests and stay NaN.

    As statsmodels has it, but without its collection of garbage, which takes longer than all else in a table.
    """
    p = np.asarray(p_values, dtype=float)
    tested = ~np.isnan(p)
    corrected = np.full(len(p), nan)
    order = np.flatnonzero(tested)[np.argsort(p[tested], kind="stable")]
    stepped = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    corrected[order] = np.minimum(stepped, 1)
    return corrected.tolist()


def p_of_interval(interval: Interval, bound: float, confidence: float) -> float:
    """Two-sided p of a bound from the interval on its side, as if that were a normal one."""
    if np.isnan(interval.low):
        return nan
    half = interval.high - interval.value if bound > interval.value else interval.value - interval.low
    if half <= 0:
        return float(bound == interval.value)
    quantile = scipy_stats.norm.ppf((1 + confidence) / 2)
    return float(2 * scipy_stats.norm.sf(quantile * abs(bound - interval.value) / half))


def non_inferiority(change: Interval, margin: float) -> str:
    """Is the loss against the reference smaller than `margin`? yes, no, undecided, or unknown without an interval."""
    if np.isnan(change.low):
        return "unknown"
    if change.low > -margin:
        return "yes"
    return "no" if change.high < -margin else "undecided"


def minimum_detectable(cluster_means: Array, confidence: float, power: float = 0.8) -> float:
    """Smallest true mean difference that a paired t-test over these clusters finds with `power`; NaN if unknown."""
    values = np.asarray(cluster_means, dtype=float)
    if len(values) < LEAST_CLUSTERS or not np.isfinite(values).all() or np.ptp(values) == 0:
        return nan
    return float(np.std(values, ddof=1) * _detectable_effect(len(values), confidence, power))


@lru_cache(maxsize=256)
def _detectable_effect(clusters: int, confidence: float, power: float) -> float:
    """In standard deviations of a cluster's difference."""
    return float(TTestPower().solve_power(nobs=clusters, alpha=1 - confidence, power=power))
