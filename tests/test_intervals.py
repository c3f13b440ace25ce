"""Statistics against slow definitions and on degenerate data. Their coverage: tests/test_coverage.py."""

from itertools import product as every
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from dreamr.statistics.intervals import (
    Bootstrap,
    Interval,
    cluster_sums,
    difference,
    expanded_levels,
    holm,
    mean,
    minimum_detectable,
    non_inferiority,
    ratio,
)

BOOTSTRAP = Bootstrap(resamples=1000, confidence=0.95, seed=0)


def interval(values: np.ndarray, clusters: list, counts: np.ndarray | None = None) -> Interval:
    columns = {"x": values, "n": np.ones(len(values)) if counts is None else counts}
    return BOOTSTRAP.intervals(cluster_sums(columns, clusters), {"mean": mean("x")})["mean"]


def test_interval_equals_enumeration_of_all_resamples() -> None:
    """Six clusters have 6**6 equally likely resamples: the quantiles of all of them are the exact interval."""
    above, below = np.array([3.0, 1.0, 4.0, 1.5, 5.0, 9.0]), np.array([2.0, 7.0, 1.0, 8.0, 2.0, 8.0])
    draws = np.array(list(every(range(6), repeat=6)))
    exact = above[draws].sum(axis=1) / below[draws].sum(axis=1)
    found = Bootstrap(60_000, 0.9, 1).intervals({"a": above, "b": below}, {"r": ratio("a", "b")})["r"]
    assert found.value == pytest.approx(above.sum() / below.sum())
    below_low, above_high = (exact < found.low - 1e-9).mean(), (exact > found.high + 1e-9).mean()
    level = expanded_levels(0.9, 6)[0]
    assert below_low <= level + 0.003 and (exact <= found.low + 1e-9).mean() >= level - 0.003
    assert above_high <= level + 0.003 and (exact >= found.high - 1e-9).mean() >= level - 0.003


def test_expanded_interval_of_a_mean_is_as_wide_as_students() -> None:
    values = np.random.default_rng(3).normal(size=20)
    found = Bootstrap(50_000, 0.95, 0).intervals({"x": values, "n": np.ones(20)}, {"m": mean("x")})["m"]
    students = 2 * 2.093 * values.std(ddof=1) / np.sqrt(20)
    assert found.high - found.low == pytest.approx(students, rel=0.03)


def test_cluster_sums_equal_a_loop_and_keep_unknowns() -> None:
    values, clusters = [1.0, 2.0, float("nan"), 4.0], ["b", "a", "c", "b"]
    sums = cluster_sums({"x": values}, clusters)["x"]
    assert sums[:2].tolist() == [2.0, 5.0]
    assert isnan(sums[2])


def test_paired_difference_is_narrower_than_independent_ones() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(size=200)
    columns = {"x": hard + 0.1, "y": hard + rng.normal(scale=0.1, size=200), "n": np.ones(200)}
    found = BOOTSTRAP.intervals(
        cluster_sums(columns, range(200)), {"change": difference(mean("x"), mean("y")), "alone": mean("x")}
    )
    assert found["change"].high - found["change"].low < 0.2 * (found["alone"].high - found["alone"].low)


@given(st.randoms(use_true_random=False))
def test_row_order_does_not_matter(random: object) -> None:
    rng = np.random.default_rng(5)
    values, clusters = rng.integers(0, 2, size=60).astype(float), [f"c{i % 15}" for i in range(60)]
    order = list(range(60))
    random.shuffle(order)
    assert interval(values[order], [clusters[i] for i in order]) == interval(values, clusters)


def test_the_seed_decides() -> None:
    values = np.random.default_rng(0).normal(size=30)
    assert interval(values, range(30)) == interval(values, range(30))
    other = Bootstrap(1000, 0.95, 1).intervals({"x": values, "n": np.ones(30)}, {"m": mean("x")})["m"]
    assert other.low != interval(values, range(30)).low


@pytest.mark.parametrize(
    ("values", "clusters"),
    [
        ([1.0, 0.0, 1.0], [0, 1, 2]),  # too few clusters
        ([1.0, 0.0] * 20, [0, 1] * 20),  # many rows, two clusters
        ([1.0] * 40, range(40)),  # nothing varies
        ([1.0] * 38 + [0.0] * 2, range(40)),  # two events carry all spread
    ],
)
def test_too_little_data_has_a_value_but_no_interval(values: list[float], clusters: list[int]) -> None:
    found = interval(np.array(values), list(clusters))
    assert found.value == pytest.approx(np.mean(values))
    assert isnan(found.low) and isnan(found.high)


def test_division_by_nothing_and_missing_values_are_unknown() -> None:
    sums = {"accepted": np.zeros(20), "verified": np.zeros(20)}
    assert isnan(BOOTSTRAP.intervals(sums, {"a": ratio("accepted", "verified")})["a"].value)
    assert isnan(interval(np.array([1.0, float("nan")] * 20), list(range(40))).value)


def test_a_ratio_that_some_resamples_cannot_form_has_no_interval() -> None:
    verified = np.array([1.0, 2.0, 3.0, 4.0, 5.0] + [0.0] * 20)
    found = BOOTSTRAP.intervals({"a": verified / 2 + (verified > 2), "v": verified}, {"r": ratio("a", "v")})["r"]
    assert found.value > 0
    assert isnan(found.low)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    corrected = holm([0.01, float("nan"), 0.04])
    assert corrected[0] == pytest.approx(0.02)
    assert isnan(corrected[1])
    assert all(map(isnan, holm([float("nan")] * 2)))


@pytest.mark.parametrize("tests", [1, 2, 7, 30])
def test_holm_is_that_of_statsmodels(tests: int) -> None:
    p = np.random.default_rng(tests).random(tests) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.02, 0.05, "yes"), (-0.04, 0.05, "undecided"), (-0.09, -0.04, "no"), (float("nan"), float("nan"), "unknown")],
)
def test_non_inferiority(low: float, high: float, verdict: str) -> None:
    assert non_inferiority(Interval(0.0, low, high), margin=0.03) == verdict


def test_a_detectable_difference_is_detected_with_the_stated_power() -> None:
    rng = np.random.default_rng(7)
    sample = rng.normal(size=50)
    shift = minimum_detectable(sample, 0.95, power=0.8)
    draws = rng.normal(loc=shift, scale=sample.std(ddof=1), size=(4000, 50))
    t = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / np.sqrt(50))
    assert (np.abs(t) > 2.0096).mean() == pytest.approx(0.8, abs=0.03)
    assert isnan(minimum_detectable(np.ones(50), 0.95))
