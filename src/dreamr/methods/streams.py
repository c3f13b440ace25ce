"""A model that writes on, whoever reads."""

import asyncio
from contextlib import aclosing

from dreamr.engines.protocol import Generation
from dreamr.methods.prefix import Prefix
from dreamr.methods.protocol import Writer
from dreamr.methods.run import QuestionRun


class Stream:
    """The steps of one writer from `prefix` on; they stay readable, so a second reader can start over.

    `task` writes them: to be cancelled, or spared, by the loop.
    """

    def __init__(self, run: QuestionRun, writer: Writer, prefix: Prefix) -> None:
        self._first = prefix.index
        self._steps: list[Generation] = []
        self._written = asyncio.Condition()
        self.task = run.start(self._fill(run, writer, prefix))

    async def _fill(self, run: QuestionRun, writer: Writer, prefix: Prefix) -> None:
        async with aclosing(run.stream(writer, prefix)) as steps:
            async for step in steps:
                async with self._written:
                    self._steps.append(step)
                    self._written.notify_all()

    async def step(self, index: int) -> Generation:
        """The step at place `index` of the answer, once it is written."""
        place = index - self._first
        async with self._written:
            await self._written.wait_for(lambda: place < len(self._steps))
        return self._steps[place]
