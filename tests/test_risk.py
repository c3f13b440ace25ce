"""The test of a mean loss: by hand, its level and power in simulated experiments, and beside older bounds."""

from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dreamr.statistics.risk import Array, RiskTest, capital, risk_test

RISK, LEVEL, RUNS = 0.03, 0.05, 2000
DISCORDANT = (0.05, 0.1, 0.2)  # shares of problems that are right for one of both alone


def losses(discordant: float, mean: float, size: int, runs: int = RUNS) -> Array:
    """Losses 1, 0 and -1 of `runs` experiments, shape (runs, size)."""
    lost, won = (discordant + mean) / 2, (discordant - mean) / 2
    assert won >= 0
    drawn = np.random.default_rng(7).random((runs, size))
    return np.where(drawn < lost, 1.0, np.where(drawn < lost + won, -1.0, 0.0))


def certified(experiments: Array) -> float:
    """Share of the experiments in which the mean loss is found to be below the risk."""
    size = experiments.shape[1]
    return float(np.mean([capital(one, RISK, LEVEL, size).max() >= 1 / LEVEL for one in experiments]))


def test_three_problems_by_hand() -> None:
    """The stake is sqrt(2 log(20) / 100) over the spread that was seen, which begins at 1."""
    found = capital(np.array([0.0, 1.0, -1.0]), RISK, LEVEL, 100)
    stake = sqrt(2 * log(20) / 100)
    first = 1 + stake * 0.03
    second = first * (1 - 0.97 * stake / sqrt((1 + 0) / 2))  # after a loss of 0: mean 0, variance 1 / 2
    third = second * (1 + 1.03 * stake / sqrt((1 + (1 - 1 / 3) ** 2) / 3))  # the mean is 1 / 3 by then
    assert list(found) == pytest.approx([first, second, third])
    assert risk_test([0, 1, -1], RISK, LEVEL, 100) == RiskTest(3, 0, pytest.approx(1 / first), "open")


def test_it_ends_as_soon_as_it_has_decided() -> None:
    """Without a loss and at the largest stake it would take 196 problems; the first stakes are smaller."""
    needed = next(n for n in range(1, 1000) if (1 + 0.03 * 0.5 / 0.97) ** n >= 20)
    found = risk_test([0] * 2000, RISK, LEVEL, 2000)
    assert (found.decision, found.loss) == ("certified", 0) and needed < found.problems < 1.2 * needed
    assert found.p == pytest.approx(LEVEL, rel=0.05) and found.p <= LEVEL
    later = risk_test([0] * found.problems + [1] * 1000, RISK, LEVEL, 2000)
    assert later == found, "what comes later changes nothing"
    assert risk_test([0] * (found.problems - 1), RISK, LEVEL, 2000).decision == "open"
    assert risk_test([0] * (needed - 1), RISK, LEVEL, needed - 1).decision == "not certified"
    assert risk_test([], RISK, LEVEL, 2000) == RiskTest(0, 0, 1, "open")


@pytest.mark.parametrize("wrong", [1.5, -2, float("nan")])
def test_a_loss_beyond_its_bounds_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        risk_test([0, wrong], RISK, LEVEL, 10)


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=30),
    st.floats(0.001, 0.5),
    st.floats(0.01, 0.2),
    st.integers(30, 3000),
)
def test_the_capital_is_never_spent_and_no_bet_looks_ahead(
    seen: list[float], risk: float, level: float, planned: int
) -> None:
    values = capital(np.array(seen), risk, level, planned)
    assert (values > 0).all()
    for size in range(1, len(seen)):
        assert list(capital(np.array(seen[:size]), risk, level, planned)) == pytest.approx(list(values[:size]))
        fair = [capital(np.array([*seen[:size], one]), risk, level, planned)[-1] for one in (risk, 1, -1)]
        assert fair[0] == pytest.approx(values[size - 1]) and fair[1] < fair[0] < fair[2]


@pytest.mark.parametrize("size", [200, 2000])
@pytest.mark.parametrize("discordant", [RISK, *DISCORDANT])
def test_a_loss_of_the_risk_is_certified_no_more_often_than_promised(discordant: float, size: int) -> None:
    """At the boundary, where it is hardest to keep; with RISK as the share all discordant problems are lost ones."""
    assert certified(losses(discordant, RISK, size)) <= LEVEL


def test_losses_that_are_no_wins_and_defeats_keep_the_level() -> None:
    """Means of five versions a problem, most of them alike; and losses that come in runs of the same value."""
    rng = np.random.default_rng(3)
    five = rng.integers(-2, 3, size=(RUNS, 500)) / 5 * (rng.random((RUNS, 500)) < 0.3) + RISK
    assert certified(five) <= LEVEL
    assert certified(np.full((1, 2000), RISK)) == 0


POWER = {  # of 2,000 problems, by discordant share and true loss in points
    (0.05, 0): 0.99, (0.05, 1): 0.9, (0.05, 2): 0.4,
    (0.1, 0): 0.95, (0.1, 1): 0.7, (0.1, 2): 0.2,
    (0.2, 0): 0.75, (0.2, 1): 0.4,
}  # fmt: skip


@pytest.mark.parametrize(("discordant", "points"), POWER)
def test_a_smaller_loss_is_found(discordant: float, points: int) -> None:
    assert certified(losses(discordant, points / 100, 2000, 500)) >= POWER[discordant, points]


@pytest.mark.parametrize("discordant", DISCORDANT)
def test_it_finds_more_than_hoeffding_s_bound(discordant: float) -> None:
    """Which knows of the losses that they lie between -1 and 1, and not how seldom they are not 0."""
    means = losses(discordant, 0, 2000, 500).mean(axis=1)
    by_hoeffding = np.mean([exp(-2000 * max(0.0, RISK - mean) ** 2 / 2) <= LEVEL for mean in means])
    assert by_hoeffding < 0.02 and certified(losses(discordant, 0, 2000, 500)) > 0.75


@pytest.mark.parametrize("lost", [0.005, 0.01, 0.02])
def test_where_the_exact_test_applies_little_is_left_to_gain(lost: float) -> None:
    """If no problem is won, losses are a share, and the binomial test of it is exact; it may look once, at the end."""
    experiments = losses(lost, lost, 2000, 500)
    exact = np.mean([stats.binom.cdf(one.sum(), 2000, RISK) <= LEVEL for one in experiments])
    assert exact - 0.15 <= certified(experiments) <= exact + 0.02
