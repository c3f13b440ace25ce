"""Token-level speculative decoding (a baseline of the paper): the same loop as the target alone.

The engine speculates, by n-grams of the text so far, and verifies token by token; the text is the target's own. A
draft *model* inside the engine is not possible for these vision-language families today (vLLM refuses it); the loop
`draft_model` has one beside it.
"""

from dreamr.components import Loop
from dreamr.config import Method
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.single import alone
from dreamr.prompts import Prompt

LOOP = Loop(
    label="token-level speculation",
    draft=False,
    target_writes="all steps",
    settings=frozenset({"ngram_tokens", "ngram_lookup"}),
    lossless=True,  # without sampling, up to rounding
)


async def answer(prompt: Prompt, engines: Engines, method: Method, limits: Limits) -> Outcome:
    """The target's answer from `engines.target`, an engine started with the method's n-gram settings."""
    return await alone("target", prompt, engines, limits)
