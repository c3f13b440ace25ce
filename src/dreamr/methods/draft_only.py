"""The draft alone: what speculation starts from, and what SAPO changes."""

from dreamr.components import Loop
from dreamr.config import Method
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.single import alone
from dreamr.prompts import Prompt

LOOP = Loop(label="draft alone", draft=True, target_writes="nothing")


async def answer(prompt: Prompt, engines: Engines, method: Method, limits: Limits) -> Outcome:
    """The draft's answer, in one request; never verified."""
    return await alone("draft", prompt, engines, limits)
