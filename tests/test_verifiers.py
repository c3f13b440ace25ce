"""SpecReason's two readings of one request for a score."""

import asyncio
import math

import pytest

from dreamr.prompts import Prompt
from dreamr.verifiers.protocol import Verdict
from dreamr.verifiers.score import ScoreVerifier


class Scoring:
    """A target that gives these digits these probabilities, which need not add up to one."""

    def __init__(self, probabilities: dict[int, float]) -> None:
        self._logprobs = tuple(
            math.log(probabilities[digit]) if digit in probabilities else -math.inf for digit in range(10)
        )

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
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
