"""Answer-level cascade: the draft answers, one verdict judges all of it, and the target answers where that rejects it.

What verdicts on steps have to be better than. The answer is always that of one model alone: the draft's, or the
target's from the start. A draft's answer without an answer line is rejected unasked (our decision).
"""

import math
from dataclasses import replace

from dreamr.components import Loop
from dreamr.config import Method
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.run import running
from dreamr.prompts import Prompt
from dreamr.steps import without_tags
from dreamr.verifiers.protocol import verifier

LOOP = Loop(
    label="Cascade",
    draft=True,
    target_writes="rejected steps",
    judges="answer",
    settings=frozenset({"verifier"}),
)


async def answer(prompt: Prompt, engines: Engines, method: Method, limits: Limits) -> Outcome:
    """The draft's answer or the target's. The target reads the draft's without its thinking tags."""
    async with running(prompt, engines, replace(limits, unit=math.inf)) as run:
        alone = replace(run.prefix, shared=False)
        draft = await run.write("draft", alone)
        read = replace(draft, text=without_tags(draft.text))
        verdict = await run.verify(verifier(method), alone, read)
        if verdict.accepted:
            run.accept(draft, verdict)
        else:
            run.reject_and_replace(draft, verdict, await run.write("target", alone))
    return run.outcome()
