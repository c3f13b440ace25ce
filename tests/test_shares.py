"""Exact intervals of shares: published values, and coverage where bootstraps have none."""

import numpy as np
import pytest

from dreamr.statistics.shares import change_interval, effective_clusters, share_interval


def test_single_questions_are_clopper_and_pearsons() -> None:
    """No miss in 24: from the 24th root of .025 to 1. One hit in ten: .0025 to .4450, as in every table."""
    ones = np.ones(24)
    assert share_interval(ones, ones, 0.95).low == pytest.approx(0.025 ** (1 / 24))
    assert share_interval(ones, ones, 0.95).high == 1
    ten = np.zeros(10)
    ten[3] = 1
    found = share_interval(ten, np.ones(10), 0.95)
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.0025, 0.4450), abs=1e-4)


def test_a_cluster_counts_once_however_many_questions_it_has() -> None:
    assert effective_clusters(np.full(6, 5.0)) == pytest.approx(6)
    assert effective_clusters(np.array([1.0, 1.0, 100.0])) < 1.1
    few, many = (share_interval(size * np.ones(8), size * np.ones(8), 0.95) for size in (1, 5))
    assert few == many


def test_no_change_is_known_to_be_small_only() -> None:
    found = change_interval(np.zeros(24), np.zeros(24), np.ones(24), 0.95)
    assert found.value == 0 and found.low == -found.high and 0.1 < found.high < 0.2


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
def test_intervals_cover_whatever_questions_of_a_cluster_share(share: float, alike: float) -> None:
    """Twelve clusters of one to five questions; with probability `alike` a question does as its cluster's first."""
    draws = np.random.default_rng(0)
    counts = np.array([1, 2, 3, 4, 5, 5, 5, 4, 3, 2, 1, 5], dtype=float)
    covered = 0
    for _ in range(400):
        first = draws.random(12) < share
        hits = np.array([_hits(draws, one, int(n), share, alike) for one, n in zip(first, counts, strict=True)])
        found = share_interval(hits, counts, 0.95)
        covered += found.low <= share <= found.high
    assert covered / 400 > 0.93


def _hits(draws: np.random.Generator, first: bool, questions: int, share: float, alike: float) -> float:
    own = draws.random(questions) < share
    return float(np.where(draws.random(questions) < alike, first, own).sum())
