"""SpecReason's other reading of the same request: the target scores a step by the mean of the ten digits."""

from dataclasses import dataclass

from dreamr.components import Verdicts
from dreamr.config import Method
from dreamr.engines.protocol import Engine
from dreamr.prompts import SCORE, Prompt
from dreamr.verifiers.protocol import Verdict, about
from dreamr.verifiers.score import digit_logprobs, expected_digit

VERDICTS = Verdicts(judges="step", settings=frozenset({"threshold"}), largest=9)


@dataclass(frozen=True)
class MeanScoreVerifier:
    """Accept iff the mean digit reaches the threshold (SpecReason, score mode "average")."""

    threshold: float
    request: str = SCORE

    async def __call__(self, target: Engine, prefix: Prompt, step: str, own: str) -> Verdict:
        mean = expected_digit(await digit_logprobs(target, prefix, step, self.request))
        return Verdict(mean, mean >= self.threshold)


def verifier(method: Method) -> MeanScoreVerifier:
    assert method.threshold is not None, "the configuration sees to that"
    return MeanScoreVerifier(method.threshold, about(method, SCORE))
