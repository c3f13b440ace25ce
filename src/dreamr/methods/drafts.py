"""A draft that writes on, whoever reads."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from dreamr.engines.protocol import Generation


class Drafts:
    """The steps of one draft stream from step `first` on; they stay readable, so a second reader can start over."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._steps: list[Generation] = []
        self._written = asyncio.Condition()

    async def fill(self, stream: AsyncGenerator[Generation, None]) -> None:
        """Take all steps of `stream` as they come."""
        async with aclosing(stream) as steps:
            async for step in steps:
                async with self._written:
                    self._steps.append(step)
                    self._written.notify_all()

    async def step(self, index: int) -> Generation:
        """The draft's step at place `index` of the answer, once it is written."""
        place = index - self._first
        async with self._written:
            await self._written.wait_for(lambda: place < len(self._steps))
        return self._steps[place]
