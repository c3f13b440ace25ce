"""Verdicts by dice: the target is asked as ever, and a set share of steps is accepted whatever it says.

So a verdict takes its real time, and speed can be told at any acceptance. The dice fall by the question and by the
step's place in its answer: all schedules write the same text, and what a lower acceptance accepts at a place, a higher
one accepts there too.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from dreamr.components import Verdicts
from dreamr.config import Method
from dreamr.engines.protocol import Engine
from dreamr.prompts import STEP_BREAK, VERIFY, Prompt
from dreamr.provenance import uniform
from dreamr.verifiers.align import AlignVerifier
from dreamr.verifiers.cpn import CpnVerifier
from dreamr.verifiers.protocol import Verdict, Verifier, about

VERDICTS = Verdicts(judges=None, settings=frozenset({"acceptance"}))


@dataclass(frozen=True)
class BernoulliVerifier:
    """The value is that of the verifier that is asked, the decision that of the dice."""

    asked: Verifier
    acceptance: float

    async def __call__(self, target: Engine, prefix: Prompt, step: str, own: str) -> Verdict:
        verdict = await self.asked(target, prefix, step, own)
        return replace(verdict, accepted=_dice(prefix) < self.acceptance)


def _dice(prefix: Prompt) -> float:
    """By the question and the number of steps before; the rest of a capped step is told from its beginning."""
    images = [Path(image).name for image in prefix.images]  # named by their content, wherever they lie
    begun = prefix.answer.rpartition(STEP_BREAK)[2]
    return uniform(prefix.user, images, prefix.answer.count(STEP_BREAK), begun)


def verifier(method: Method) -> BernoulliVerifier:
    """Asks CPN's request or, in a loop that compares versions, that of Lookahead Reasoning; no threshold counts."""
    assert method.acceptance is not None, "the configuration sees to that"
    cpn, align = CpnVerifier(0.5, about(method, VERIFY)), AlignVerifier(0.5)
    return BernoulliVerifier(align if method.declared.judges == "versions" else cpn, method.acceptance)
