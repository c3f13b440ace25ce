"""How often the intervals of a gain under load cover it."""

from collections.abc import Callable
from dataclasses import astuple

import numpy as np
import pytest
from simulations import BOOTSTRAP, Random, Simulation, covers

from dreamr.statistics.intervals import Interval, ratio
from dreamr.studies.load.tables import crossing


def under_load(rng: Random, blocks: int) -> dict[str, np.ndarray]:
    """Wall clocks of blocks at five loads: the gains fall from 2.5 to .7, and hang together in a block."""
    sums = {"n": np.ones(blocks)}
    minute = rng.normal(0, 0.05, size=blocks)
    for size, gain in GAINS.items():
        sums[f"a {size}"] = rng.lognormal(0, 0.15, size=blocks)
        sums[f"b {size}"] = sums[f"a {size}"] / gain * np.exp(minute + rng.normal(0, 0.08, size=blocks))
    return sums


GAINS = {1: 2.5, 2: 1.9, 4: 1.4, 8: 0.95, 16: 0.7}
AS_DRAWN = {size: gain / np.exp((0.05**2 + 0.08**2) / 2) for size, gain in GAINS.items()}  # ratios of expected clocks


def gain_under_load(blocks: int) -> Callable[[Random], bool]:
    return lambda rng: covers(
        BOOTSTRAP.intervals(under_load(rng, blocks), {"r": ratio("a 4", "b 4")})["r"], AS_DRAWN[4]
    )


def break_even(blocks: int) -> Callable[[Random], bool]:
    """Where the gain falls to 1, between the loads that were measured."""
    exact = crossing([*GAINS], [*AS_DRAWN.values()])
    gains = {str(size): ratio(f"a {size}", f"b {size}") for size in GAINS}

    def hit(rng: Random) -> bool:
        found = BOOTSTRAP.intervals(under_load(rng, blocks), gains).values()
        return covers(Interval(*(crossing([*GAINS], ends) for ends in zip(*map(astuple, found), strict=True))), exact)

    return hit


SIMULATIONS = (
    Simulation("bootstrap: gain under load, 6 blocks", gain_under_load(6), 0.91, 0.96),
    Simulation("bootstrap: where the gain is 1, 6 blocks", break_even(6), 0.91, 0.96),
    Simulation("bootstrap: gain under load, 8 blocks", gain_under_load(8), 0.93, 0.97),
)


@pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda simulation: simulation.name)
def test_a_rate_is_as_it_should_be(simulation: Simulation) -> None:
    assert simulation.holds()
