"""How the target judges a draft step, behind one call. Each verifier asks for one token behind the step.

The requests themselves are in `prompts`. A verifier is loaded by name, so that a result depends on its own alone.
"""

from dataclasses import dataclass
from typing import Protocol

from dreamr import components
from dreamr.config import Method
from dreamr.engines.protocol import Engine
from dreamr.prompts import PART, STEP, WHOLE, Prompt


@dataclass(frozen=True)
class Verdict:
    """`value`: rho (CPN), score 0-9, or p(aligned), as the target gave it; None where the texts alone decided.

    `expected`: where the value is the likeliest digit, the mean of the ten as well, each weighted by its probability;
    it decides nothing.
    """

    value: float | None
    accepted: bool
    expected: float | None = None


class Verifier(Protocol):
    async def __call__(self, target: Engine, prefix: Prompt, step: str, own: str) -> Verdict:
        """Judge `step` behind `prefix`. `own` is the target's version of it, "" where the loop has none."""
        ...


def about(method: Method, request: str) -> str:
    """`request` (VERIFY, SCORE) about what a verdict of `method` judges: a step, several as one, or the answer."""
    several = PART if method.steps_per_verdict else STEP
    return request.replace(STEP, WHOLE if method.declared.judges == "answer" else several)


def verifier(method: Method) -> Verifier:
    """The verifier that `method` names, with its settings."""
    assert method.verifier, "the configuration sees to that"
    made: Verifier = components.VERIFIERS.load(method.verifier).verifier(method)
    return made
