"""The target alone while the draft is busy beside it: what it costs the target that both share a machine.

The draft writes its own answer to the same question, again and again until the target's is there; neither reads what
the other writes. A control: on devices of their own they should not slow each other, on shared cores they do.
"""

from dataclasses import replace

from dreamr.components import Loop
from dreamr.config import Method
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.run import QuestionRun, running
from dreamr.methods.single import write
from dreamr.prompts import Prompt

LOOP = Loop(label="target beside a busy draft", draft=True, target_writes="all steps", batched="target_only")


async def answer(prompt: Prompt, engines: Engines, method: Method, limits: Limits) -> Outcome:
    """The target's answer, in one request."""
    async with running(prompt, engines, limits) as run:
        run.start(_work(run))
        await write("target", run)
    return run.outcome()


async def _work(run: QuestionRun) -> None:
    """Keep the draft busy until somebody cancels."""
    own = replace(run.prefix, shared=False)
    while True:
        async for _ in run.stream("draft", own):
            pass
