"""The test by sign flips and Student's intervals: against enumeration, definitions, and on degenerate data."""

from itertools import product
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dreamr.statistics.intervals import Quantity, cluster_sums, difference, ratio, times, total
from dreamr.statistics.paired import FLIPS, Crossed, equivalence_p, flip_p, sign_flips, student

MEAN: Quantity = difference(ratio("x", "n"), ratio("x_other", "n_other"))


def against_zero(values: np.ndarray) -> dict[str, np.ndarray]:
    """Sums whose distance is the mean of `values`, one a cluster."""
    ones = np.ones(len(values))
    return {"x": np.asarray(values, dtype=float), "x_other": 0 * ones, "n": ones, "n_other": ones}


def test_p_equals_the_enumeration_of_all_signs_by_hand() -> None:
    """Seven clusters, all on one side: of 128 assignments of signs two are as far apart."""
    assert flip_p(against_zero(np.arange(1.0, 8.0)), MEAN, 0) == 2 / 128
    values = np.array([3.0, -1.0, 2.0, 5.0, -2.5, 4.0])
    signs = np.array(list(product((1, -1), repeat=6)))
    assert flip_p(against_zero(values), MEAN, 0) == np.mean(np.abs(signs @ values) >= abs(values.sum()))


def test_exchange_of_whole_clusters_serves_a_ratio_as_well() -> None:
    rng = np.random.default_rng(0)
    names = ("accepted", "verified", "accepted_other", "verified_other")
    sums = {name: rng.integers(1, 9, size=8).astype(float) for name in names}
    distance = difference(ratio("accepted", "verified"), ratio("accepted_other", "verified_other"))

    def apart(signs: tuple[int, ...]) -> float:
        own, other = (
            {n: np.where(np.equal(signs, s), sums[n], sums[f"{n}_other"]).sum() for n in names[:2]} for s in (1, -1)
        )
        return abs(own["accepted"] / own["verified"] - other["accepted"] / other["verified"])

    every = np.array([apart(signs) for signs in product((1, -1), repeat=8)])
    assert flip_p(sums, distance, 0) == pytest.approx(np.mean(every >= every[0] - 1e-12))


def test_many_clusters_are_sampled_and_what_was_seen_is_one_of_the_sample() -> None:
    assert len(sign_flips(13, 0)) == FLIPS == len(sign_flips(14, 0))
    assert (sign_flips(14, 0)[0] == 1).all()
    assert flip_p(against_zero(np.ones(40)), MEAN, 0) == 1 / FLIPS
    values = np.random.default_rng(5).normal(0.3, 1, size=40)
    assert flip_p(against_zero(values), MEAN, 0) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)
    assert flip_p(against_zero(values), MEAN, 0) == flip_p(against_zero(-values), MEAN, 0)


def test_a_sampled_p_is_near_the_exact_one() -> None:
    values = np.random.default_rng(3).normal(0.4, 1, size=13)
    exact = flip_p(against_zero(values), MEAN, 0)
    signs = np.random.default_rng(1).choice([1, -1], size=(40_000, 13))
    assert exact == pytest.approx(np.mean(np.abs(signs @ values) >= abs(values.sum())), abs=0.01)


def test_too_few_clusters_and_unknown_sums_have_no_p() -> None:
    assert isnan(flip_p(against_zero(np.ones(5)), MEAN, 0))
    assert isnan(flip_p(against_zero(np.array([nan, *range(9)])), MEAN, 0))
    assert flip_p(against_zero(np.zeros(9)), MEAN, 0) == 1


def test_student_s_interval_of_a_mean_is_student_s() -> None:
    values = np.random.default_rng(3).normal(size=20)
    found = student(against_zero(values), MEAN, 0.95)
    expected = stats.t.interval(0.95, 19, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert isnan(student(against_zero(values[:5]), MEAN, 0.95).low)
    assert isnan(student(against_zero(np.ones(20)), MEAN, 0.95).low)


@given(st.integers(2, 6), st.integers(6, 12), st.integers(0, 999))
def test_crossed_variance_is_the_three_variances_of_means(units: int, questions: int, seed: int) -> None:
    cells = np.random.default_rng(seed).normal(size=(units, questions))
    grid = np.indices(cells.shape).reshape(2, -1)
    columns = against_zero(cells.ravel())
    crossed = Crossed(columns, grid[1], grid[0])
    found, p = crossed.interval(MEAN, 0.95), crossed.p(MEAN)
    parts = [values.var(ddof=1) / values.size for values in (cells.mean(axis=1), cells.mean(axis=0), cells)]
    whole = max(parts[0], parts[1], parts[0] + parts[1] - parts[2])
    wide, narrow = stats.t.ppf(0.975, [units - 1, questions - 1])
    half = (wide * parts[0] + narrow * (whole - parts[0])) / whole * np.sqrt(whole)
    assert (found.value, found.high - found.value) == pytest.approx((cells.mean(), half))
    assert (p < 0.05) == (found.low > 0 or found.high < 0)


def test_one_unit_says_nothing_of_units() -> None:
    columns = against_zero(np.arange(9.0))
    crossed = Crossed(columns, range(9), [0] * 9)
    found, p = crossed.interval(MEAN, 0.95), crossed.p(MEAN)
    assert found.value == 4 and isnan(found.low) and isnan(p)


def test_rows_of_a_cluster_are_one_cluster() -> None:
    """Five copies of each answer change nothing."""
    values = np.random.default_rng(7).normal(0.5, 1, size=10)
    columns = {name: np.repeat(column, 5) for name, column in against_zero(values).items()}
    sums = cluster_sums(columns, np.repeat(range(10), 5))
    assert flip_p(sums, MEAN, 0) == flip_p(against_zero(values), MEAN, 0)
    assert flip_p(sums, difference(total("x"), total("x_other")), 0) == flip_p(sums, MEAN, 0)
    assert student(sums, MEAN, 0.95).low == pytest.approx(student(against_zero(values), MEAN, 0.95).low)


def test_equivalence_is_the_larger_of_two_one_sided_tests_of_student() -> None:
    """A quotient to a constant: the logarithm of a mean, whose jackknife is nearly that of the mean of logarithms."""
    values = np.random.default_rng(0).normal(1.02, 0.01, size=60)
    logs = np.log(values)
    sides = [
        stats.ttest_1samp(logs, -np.log(1.05), alternative="greater").pvalue,
        stats.ttest_1samp(logs, np.log(1.05), alternative="less").pvalue,
    ]
    p = equivalence_p({"x": values, "n": np.ones(60)}, times("x", "n"), 1.05)
    assert np.log(p) == pytest.approx(np.log(max(sides)), rel=0.05)
    turned = equivalence_p({"x": 1 / values, "n": np.ones(60)}, times("x", "n"), 1.05)
    assert np.log(turned) == pytest.approx(np.log(p), rel=0.05)
    assert equivalence_p({"x": 1.2 * values, "n": np.ones(60)}, times("x", "n"), 1.05) > 0.99
    assert isnan(equivalence_p({"x": values[:5], "n": np.ones(5)}, times("x", "n"), 1.05))
