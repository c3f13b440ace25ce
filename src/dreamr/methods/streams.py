"""What is made step by step while others read it: a model that writes on, attempts that are opened ahead."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Generic, TypeVar

from dreamr.engines.protocol import Generation, Refused
from dreamr.methods.prefix import Prefix
from dreamr.methods.protocol import Writer
from dreamr.methods.run import QuestionRun

T = TypeVar("T")


class Feed(Generic[T]):
    """One item for each step of the answer, from place `first` on; they stay readable, for a second reader too.

    `task` makes them: to be cancelled, or spared, by the loop. Where an engine refuses, the feed ends, and the refusal
    is raised to whoever reads there.
    """

    def __init__(self, run: QuestionRun, first: int, items: AsyncGenerator[T, None]) -> None:
        self._first = first
        self._items: list[T | Refused] = []
        self._grown = asyncio.Condition()
        self.task = run.start(self._fill(items))

    async def _fill(self, items: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(items) as made:
                async for item in made:
                    await self._add(item)
        except Refused as refusal:
            await self._add(refusal)

    async def _add(self, item: T | Refused) -> None:
        async with self._grown:
            self._items.append(item)
            self._grown.notify_all()

    async def at(self, index: int) -> T:
        """The item for step `index` of the answer, once it is there."""
        place = index - self._first
        async with self._grown:
            await self._grown.wait_for(lambda: place < len(self._items))
        item = self._items[place]
        if isinstance(item, Refused):
            raise item
        return item


class Stream(Feed[Generation]):
    """The steps of one writer from `prefix` on."""

    def __init__(self, run: QuestionRun, writer: Writer, prefix: Prefix) -> None:
        super().__init__(run, prefix.index, run.stream(writer, prefix))
