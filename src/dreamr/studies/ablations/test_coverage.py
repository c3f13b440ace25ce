"""How often two schedules are called equally fast: at the margin, beyond it, and where they are."""

from collections.abc import Callable

import pytest
from simulations import Random, Simulation

from dreamr.statistics.paired import equivalence_p
from dreamr.studies.ablations.tables import MARGIN, SPEED_RATIO


def called_equal(questions: int, ratio: float, noise: float) -> Callable[[Random], bool]:
    """Both timed beside a run of the target of their own; the truth is that one is `ratio` times as fast."""

    def hit(rng: Random) -> bool:
        baseline = rng.lognormal(0, 0.5, size=questions)
        sums = {
            f"{name}{side}": baseline * rng.lognormal(0, noise, size=questions) / speed
            for side, faster in (("", ratio), ("_other", 1.0))
            for name, speed in (("baseline_seconds", 1.0), ("seconds", 1.8 * faster))
        }
        return equivalence_p(sums, SPEED_RATIO, MARGIN) <= 0.05

    return hit


SIMULATIONS = (
    Simulation("equivalence: size at the margin, 16 questions", called_equal(16, MARGIN, 0.03), 0, 0.06),
    Simulation("equivalence: size at the other end, 48 questions", called_equal(48, 1 / MARGIN, 0.05), 0, 0.06),
    Simulation("equivalence: power where both are alike, 48 questions", called_equal(48, 1.0, 0.05), 0.78, 1),
)


@pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda simulation: simulation.name)
def test_a_rate_is_as_it_should_be(simulation: Simulation) -> None:
    assert simulation.holds()
