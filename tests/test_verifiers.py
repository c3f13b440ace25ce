"""SpecReason's two readings of one request for a score."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamr.prompts import Prompt
from dreamr.verifiers.protocol import Verdict
from dreamr.verifiers.score import ScoreVerifier
from dreamr.verifiers.score_mean import MeanScoreVerifier


class Scoring:
    """A target that gives these digits these probabilities, which need not add up to one."""

    def __init__(self, probabilities: dict[int, float]) -> None:
        self.asked: list[tuple[Prompt, tuple[str, ...]]] = []
        self._logprobs = tuple(
            math.log(probabilities[digit]) if digit in probabilities else -math.inf for digit in range(10)
        )

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        self.asked.append((prompt, keywords))
        return self._logprobs


@pytest.mark.parametrize(
    ("probabilities", "digit", "expected"),
    [
        ({9: 1.0}, 9, 9.0),
        ({8: 0.5, 2: 0.4}, 8, (8 * 0.5 + 2 * 0.4) / 0.9),  # other tokens than digits have the rest
        ({7: 0.3, 0: 0.2, 1: 0.2, 2: 0.2}, 7, 3.0),  # accepted by its likeliest digit, though most say otherwise
        ({5: 1e-300, 4: 0.5e-300}, 5, 14 / 3),
    ],
)
def test_the_likeliest_digit_decides_and_the_mean_digit_is_kept(
    probabilities: dict[int, float], digit: int, expected: float
) -> None:
    verdict = asyncio.run(ScoreVerifier(7)(Scoring(probabilities), Prompt("?", ()), "a step", ""))
    assert verdict == Verdict(digit, digit >= 7, pytest.approx(expected))


@pytest.mark.parametrize(
    ("probabilities", "threshold", "mean", "accepted"),
    [
        ({7: 0.3, 0: 0.2, 1: 0.2, 2: 0.2}, 7, 3.0, False),  # the likeliest digit would accept it
        ({6: 0.5, 9: 0.4}, 7, 66 / 9, True),  # and reject this one
        ({6: 0.5, 9: 0.4}, 7.5, 66 / 9, False),
        ({8: 1.0}, 8, 8.0, True),
        ({5: 1e-300, 4: 0.5e-300}, 4.6, 14 / 3, True),
    ],
)
def test_the_mean_digit_decides(probabilities: dict[int, float], threshold: float, mean: float, accepted: bool) -> None:
    verdict = asyncio.run(MeanScoreVerifier(threshold)(Scoring(probabilities), Prompt("?", ()), "a step", ""))
    assert verdict == Verdict(pytest.approx(mean), accepted)


@given(st.lists(st.floats(1e-6, 1), min_size=10, max_size=10), st.floats(0, 9))
def test_both_readings_are_of_one_request(probabilities: list[float], threshold: float) -> None:
    """What decides here is the quantity that is kept beside the likeliest digit."""
    target, prompt = Scoring(dict(enumerate(probabilities))), Prompt("?", ())
    likeliest = asyncio.run(ScoreVerifier(threshold)(target, prompt, "a step", ""))
    mean = asyncio.run(MeanScoreVerifier(threshold)(target, prompt, "a step", ""))
    assert (mean.value, target.asked[0]) == (likeliest.expected, target.asked[1])
