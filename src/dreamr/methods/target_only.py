"""The target alone: the baseline of every accuracy and every speed-up (paper section 4)."""

from dreamr.components import Loop
from dreamr.config import Method
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.single import alone
from dreamr.prompts import Prompt

LOOP = Loop(label="target alone", draft=False, target_writes="all steps", may_set=frozenset({"threads"}))


async def answer(prompt: Prompt, engines: Engines, method: Method, limits: Limits) -> Outcome:
    """The target's answer, in one request. Step ends, answer line and budget are those of the other loops."""
    return await alone("target", prompt, engines, limits)
