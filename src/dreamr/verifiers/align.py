"""Lookahead Reasoning's verifier: does the draft's step say what the target's version of it says?"""

from dataclasses import dataclass

from dreamr import cpn
from dreamr.components import Verdicts
from dreamr.config import Method
from dreamr.engines.protocol import Engine
from dreamr.prompts import ALIGN, Prompt, verdict_prompt
from dreamr.verifiers.protocol import Verdict

SAMENESS = ("aligned", "unaligned")
VERDICTS = Verdicts(judges="versions", settings=frozenset({"alpha"}))


@dataclass(frozen=True)
class AlignVerifier:
    """Accept iff p(aligned) > alpha, of the draft's and the target's version of the step (Lookahead Reasoning)."""

    alpha: float

    async def __call__(self, target: Engine, prefix: Prompt, step: str, own: str) -> Verdict:
        asked = verdict_prompt(prefix, (step, own), ALIGN)
        aligned = cpn.rho(*await target.keyword_logprobs(asked, SAMENESS))
        return Verdict(aligned, aligned > self.alpha)


def verifier(method: Method) -> AlignVerifier:
    assert method.alpha is not None, "the configuration sees to that"
    return AlignVerifier(method.alpha)
