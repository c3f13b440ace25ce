"""SpecReason's verifier: the target scores a step by one digit, its likeliest one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dreamr.components import Verdicts
from dreamr.config import Method
from dreamr.engines.protocol import Engine
from dreamr.prompts import SCORE, Prompt, verdict_prompt
from dreamr.verifiers.protocol import Verdict, about

DIGITS = tuple("0123456789")
VERDICTS = Verdicts(judges="step", settings=frozenset({"threshold"}), largest=9)


@dataclass(frozen=True)
class ScoreVerifier:
    """Accept iff the most likely digit reaches the threshold (SpecReason, score mode "greedy")."""

    threshold: float
    request: str = SCORE

    async def __call__(self, target: Engine, prefix: Prompt, step: str, own: str) -> Verdict:
        logprobs = await digit_logprobs(target, prefix, step, self.request)
        score = max(range(10), key=logprobs.__getitem__)
        return Verdict(score, score >= self.threshold, expected_digit(logprobs))


async def digit_logprobs(target: Engine, prefix: Prompt, step: str, request: str) -> tuple[float, ...]:
    """Log-probability of each of the ten digits, 0 to 9, as the target's score of `step`."""
    return await target.keyword_logprobs(verdict_prompt(prefix, (step,), request), DIGITS)


def expected_digit(logprobs: Sequence[float]) -> float:
    """The mean of the ten digits, each weighted by its probability among them; one of them is finite."""
    largest = max(logprobs)
    weights = [math.exp(logprob - largest) for logprob in logprobs]
    return sum(digit * weight for digit, weight in enumerate(weights)) / sum(weights)


def verifier(method: Method) -> ScoreVerifier:
    assert method.threshold is not None, "the configuration sees to that"
    return ScoreVerifier(method.threshold, about(method, SCORE))
