"""Three ways for the target to judge a draft step, behind one call.

Each asks for one token behind the step. The requests themselves are in `prompts`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dreamr import cpn
from dreamr.config import Method
from dreamr.engines.protocol import Engine
from dreamr.prompts import ALIGN, SCORE, VERIFY, Prompt, verdict_prompt

DIGITS = tuple("0123456789")
SAMENESS = ("aligned", "unaligned")


@dataclass(frozen=True)
class Verdict:
    """`value`: rho (CPN), score 0-9, or p(aligned); None where the texts alone decided.

    `expected`: the mean digit of a score, each weighted by its probability among the ten (SpecReason's score mode
    "average"); it decides nothing here.
    """

    value: float | None
    accepted: bool
    expected: float | None = None


class Verifier(Protocol):
    async def __call__(self, target: Engine, prefix: Prompt, step: str, own: str) -> Verdict:
        """Judge `step` behind `prefix`. `own` is the target's version of it, "" where the loop has none."""
        ...


@dataclass(frozen=True)
class CpnVerifier:
    """Accept iff rho > alpha (DREAM-R section 3)."""

    alpha: float

    async def __call__(self, target: Engine, prefix: Prompt, step: str, own: str) -> Verdict:
        asked = verdict_prompt(prefix, (step,), VERIFY)
        rho = cpn.rho(*await target.keyword_logprobs(asked, cpn.KEYWORDS))
        return Verdict(rho, cpn.accepts(rho, self.alpha))


@dataclass(frozen=True)
class ScoreVerifier:
    """Accept iff the most likely digit reaches the threshold (SpecReason, score mode "greedy")."""

    threshold: int

    async def __call__(self, target: Engine, prefix: Prompt, step: str, own: str) -> Verdict:
        asked = verdict_prompt(prefix, (step,), SCORE)
        logprobs = await target.keyword_logprobs(asked, DIGITS)
        score = max(range(10), key=logprobs.__getitem__)
        return Verdict(score, score >= self.threshold, expected_digit(logprobs))


def expected_digit(logprobs: Sequence[float]) -> float:
    """The mean of the ten digits, each weighted by its probability among them; one of them is finite."""
    largest = max(logprobs)
    weights = [math.exp(logprob - largest) for logprob in logprobs]
    return sum(digit * weight for digit, weight in enumerate(weights)) / sum(weights)


@dataclass(frozen=True)
class AlignVerifier:
    """Accept iff p(aligned) > alpha, of the draft's and the target's version of the step (Lookahead Reasoning)."""

    alpha: float

    async def __call__(self, target: Engine, prefix: Prompt, step: str, own: str) -> Verdict:
        asked = verdict_prompt(prefix, (step, own), ALIGN)
        aligned = cpn.rho(*await target.keyword_logprobs(asked, SAMENESS))
        return Verdict(aligned, aligned > self.alpha)


def verifier(method: Method) -> Verifier:
    """The verifier that `method` names; one without is a ValueError."""
    match method:
        case Method(verifier="cpn", alpha=float(alpha)):
            return CpnVerifier(alpha)
        case Method(verifier="oracle"):  # asked like CPN; an engine that answers for it is sure of itself
            return CpnVerifier(0.5)
        case Method(verifier="align", alpha=float(alpha)):
            return AlignVerifier(alpha)
        case Method(verifier="score", threshold=int(threshold)):
            return ScoreVerifier(threshold)
    raise ValueError(f"loop {method.loop!r} has no verifier")
