"""Every kind of interval in use covers, and the test has its size and power: simulated, see tests/simulations.py."""

import pytest
from simulations import SHARED, Simulation


@pytest.mark.parametrize("simulation", SHARED, ids=lambda simulation: simulation.name)
def test_a_rate_is_as_it_should_be(simulation: Simulation) -> None:
    assert simulation.holds()
