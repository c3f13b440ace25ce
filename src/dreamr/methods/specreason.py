"""SpecReason (arXiv 2504.07891): draft a step, judge it, keep it or let the target write it; one thing at a time.

With the CPN verifier it is the sequential arm of the schedule ablation. Departures from the published code: the
request and its place are ours (`prompts`); the digit is the most likely of the ten, so "not a digit" cannot happen;
a repeated step does not end the run, which ends as with every other loop here.
"""

from dreamr.components import Loop
from dreamr.config import Method
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.run import running
from dreamr.prompts import Prompt
from dreamr.verifiers.protocol import verifier

LOOP = Loop(
    label="SpecReason",
    draft=True,
    target_writes="rejected steps",
    judges="step",
    settings=frozenset({"verifier"}),
    may_set=frozenset({"answers", "steps_per_verdict"}),
)


async def answer(prompt: Prompt, engines: Engines, method: Method, limits: Limits) -> Outcome:
    """The answer of both models, step by step."""
    judge = verifier(method)
    async with running(prompt, engines, limits) as run:
        while run.prefix.finish is None:
            draft = await run.write("draft", run.prefix)
            verdict = await run.verify(judge, run.prefix, draft)
            if verdict.accepted:
                run.accept(draft, verdict)
            else:
                run.reject_and_replace(draft, verdict, await run.write("target", run.prefix))
    return run.outcome()
