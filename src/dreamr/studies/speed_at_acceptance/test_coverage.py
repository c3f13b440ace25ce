"""How often the interval of a break-even acceptance covers it."""

from dataclasses import astuple

import numpy as np
import pytest
from simulations import Random, Simulation, covers

from dreamr.statistics.closed_forms import best_speedup
from dreamr.statistics.intervals import Interval, times
from dreamr.statistics.paired import student
from dreamr.studies.speed_at_acceptance.tables import crossing

LEVELS = (0.0, 0.25, 0.5261, 0.75, 1.0)
QUESTIONS, SHARED, NOISE = 16, 0.1, 0.15  # what a question has at every acceptance, and each answer for itself
DRAWN = np.exp((SHARED**2 + NOISE**2) / 2)  # a mean of such times over that of the target's
TRUE = [best_speedup("sequential", level, 0.15, 0.2) / DRAWN for level in LEVELS]


def break_even(rng: Random) -> bool:
    """A sequential schedule on 16 questions, each with a target beside it, at five acceptances."""
    baseline, shared = rng.lognormal(0, 0.5, size=QUESTIONS), rng.normal(0, SHARED, size=QUESTIONS)
    found = []
    for level in LEVELS:
        seconds = baseline / best_speedup("sequential", level, 0.15, 0.2)
        seconds = seconds * np.exp(shared + rng.normal(0, NOISE, size=QUESTIONS))
        found.append(astuple(student({"a": baseline, "b": seconds}, times("a", "b"), 0.95)))
    value, slow, fast = (crossing(LEVELS, ends) for ends in zip(*found, strict=True))
    return covers(Interval(value, fast, slow), crossing(LEVELS, TRUE))


SIMULATIONS = (Simulation("Student: from which acceptance on a schedule pays, 16 questions", break_even, 0.93, 0.98),)


@pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda simulation: simulation.name)
def test_a_rate_is_as_it_should_be(simulation: Simulation) -> None:
    assert simulation.holds()
