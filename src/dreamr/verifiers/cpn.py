"""CPN (paper, section 3): how likely the target's next token is *positive*, against *negative*."""

from dataclasses import dataclass

from dreamr import cpn
from dreamr.components import Verdicts
from dreamr.config import Method
from dreamr.engines.protocol import Engine
from dreamr.prompts import VERIFY, Prompt, verdict_prompt
from dreamr.verifiers.protocol import Verdict, about

VERDICTS = Verdicts(judges="step", settings=frozenset({"alpha"}))


@dataclass(frozen=True)
class CpnVerifier:
    """Accept iff rho > alpha (DREAM-R section 3)."""

    alpha: float
    request: str = VERIFY

    async def __call__(self, target: Engine, prefix: Prompt, step: str, own: str) -> Verdict:
        asked = verdict_prompt(prefix, (step,), self.request)
        rho = cpn.rho(*await target.keyword_logprobs(asked, cpn.KEYWORDS))
        return Verdict(rho, cpn.accepts(rho, self.alpha))


def verifier(method: Method) -> CpnVerifier:
    assert method.alpha is not None, "the configuration sees to that"
    return CpnVerifier(method.alpha, about(method, VERIFY))
