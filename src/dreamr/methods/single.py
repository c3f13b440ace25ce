"""One model alone, in one request from the first token to the last: the fastest way that it has."""

from contextlib import aclosing
from dataclasses import replace

from dreamr.methods.protocol import Engines, Limits, Outcome, Writer
from dreamr.methods.run import running
from dreamr.prompts import Prompt


async def alone(writer: Writer, prompt: Prompt, engines: Engines, limits: Limits) -> Outcome:
    """The whole answer by `writer`; its steps are told apart only for the record."""
    async with running(prompt, engines, limits) as run:
        own = replace(run.prefix, shared=False)
        async with aclosing(run.stream(writer, own)) as steps:
            async for step in steps:
                run.commit(step, writer)
    return run.outcome()
