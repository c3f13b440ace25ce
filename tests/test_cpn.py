"""CPN's rho and its threshold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamr import cpn

logprobs = st.floats(-1e6, 0)


@given(logprobs, logprobs)
def test_rho_is_the_share_of_the_two_probabilities(positive: float, negative: float) -> None:
    top = max(positive, negative)
    yes, no = math.exp(positive - top), math.exp(negative - top)
    assert cpn.rho(positive, negative) == pytest.approx(yes / (yes + no), rel=1e-12, abs=1e-300)


@given(logprobs, logprobs, st.floats(-50, 50))
def test_rho_ignores_what_both_keywords_share(positive: float, negative: float, shift: float) -> None:
    assert cpn.rho(positive + shift, negative + shift) == pytest.approx(cpn.rho(positive, negative), abs=1e-6)


@given(logprobs, logprobs)
def test_rho_of_swapped_keywords_is_the_rest(positive: float, negative: float) -> None:
    assert cpn.rho(positive, negative) + cpn.rho(negative, positive) == pytest.approx(1)


ENDS = [(0, 0, 0.5), (-math.inf, -1, 0), (-1, -math.inf, 1), (-1e308, -1, 0)]


@pytest.mark.parametrize(("positive", "negative", "rho"), ENDS)
def test_rho_at_its_ends(positive: float, negative: float, rho: float) -> None:
    assert cpn.rho(positive, negative) == rho


@pytest.mark.parametrize("pair", [(-math.inf, -math.inf), (math.nan, -1.0), (-1.0, math.nan)])
def test_rho_of_nothing_is_an_error(pair: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="finite log-probability"):
        cpn.rho(*pair)


def test_a_step_on_the_threshold_is_rejected() -> None:
    assert cpn.accepts(math.nextafter(0.7, 1), 0.7)
    assert not cpn.accepts(0.7, 0.7)
