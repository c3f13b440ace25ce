"""Every kind of interval in use covers, and the test has its size and power: simulated, see tests/simulations.py."""

from math import sqrt

import pytest
from simulations import SIMULATIONS, Simulation

NUMBER = 300


@pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda simulation: simulation.name)
def test_a_rate_is_as_it_should_be(simulation: Simulation) -> None:
    """Within three standard errors of so few experiments."""
    rate, error = simulation.rate(NUMBER), 3 * sqrt(0.05 * 0.95 / NUMBER)
    assert simulation.least - error <= rate <= simulation.most + error
