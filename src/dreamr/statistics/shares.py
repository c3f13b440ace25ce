"""Intervals of shares near 0 or 1, where too few clusters differ for a bootstrap: exact, and wide.

Clopper and Pearson's limits with as many trials as there are effective clusters (Korn and Graubard 1998). The mean of a
cluster lies between 0 and 1, so it varies no more than a single trial of the same share: the limits hold however alike
a cluster's questions are.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.stats import beta

from dreamr.statistics.intervals import Array, Interval

Exact = Callable[[Mapping[str, Array], float], Interval]  # from the sums of clusters, at a confidence


def exact_share(hits: str, of: str = "n") -> Exact:
    """The limits of `share`."""
    return lambda sums, confidence: share_interval(sums[hits], sums[of], confidence)


def exact_change(sums: Mapping[str, Array], confidence: float) -> Interval:
    """The limits of a change of accuracy, from what was `lost` and `won`."""
    return change_interval(sums["lost"], sums["won"], sums["n"], confidence)


def share_interval(hits: Array, counts: Array, confidence: float) -> Interval:
    """The share of questions that were hit; `hits` and `counts` are sums of each cluster, shape (clusters,)."""
    share = float(hits.sum() / counts.sum())
    trials = effective_clusters(counts)
    tail, found, missed = (1 - confidence) / 2, share * trials, (1 - share) * trials
    low = float(beta.ppf(tail, found, missed + 1)) if found > 0 else 0.0
    high = float(beta.ppf(1 - tail, found + 1, missed)) if missed > 0 else 1.0
    return Interval(share, low, high)


def change_interval(lost: Array, won: Array, counts: Array, confidence: float) -> Interval:
    """Share won minus share lost, from an interval of each that misses half as often (Bonferroni)."""
    gains, losses = (share_interval(hits, counts, (1 + confidence) / 2) for hits in (won, lost))
    return Interval(gains.value - losses.value, gains.low - losses.high, gains.high - losses.low)


def effective_clusters(counts: Array) -> float:
    """How many clusters of equal size would tell as much (Kish)."""
    return float(counts.sum() ** 2 / np.square(counts).sum())
