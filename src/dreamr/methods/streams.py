"""What is made step by step while others read it: a model that writes on, attempts that are opened ahead."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Generic, TypeVar

from dreamr.engines.protocol import Generation, Refused
from dreamr.methods.prefix import Prefix
from dreamr.methods.protocol import Writer
from dreamr.methods.run import PendingTask, QuestionRun

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
    """The steps of one writer from `prefix` on, no more than `window` of them ahead of the committed answer."""

    def __init__(self, run: QuestionRun, writer: Writer, prefix: Prefix, window: float = math.inf) -> None:
        super().__init__(run, prefix.index, run.stream(writer, prefix, window))


class Versions:
    """The target's own versions of steps, each begun at a place of the answer, several under way at once.

    Where the target `continues` it writes on behind a version that is taken; otherwise each is a request of its own.
    """

    def __init__(self, run: QuestionRun, continues: bool) -> None:
        self._run = run
        self._continues = continues
        self._begun: dict[int, Feed[Generation]] = {}

    def begin(self, prefix: Prefix) -> Feed[Generation]:
        """The version of the step behind `prefix`, begun now unless it is under way."""
        if prefix.index not in self._begun:
            self._begun[prefix.index] = Feed(self._run, prefix.index, self._written(prefix))
        return self._begun[prefix.index]

    async def _written(self, prefix: Prefix) -> AsyncGenerator[Generation, None]:
        if not self._continues:
            yield await self._run.write("target", prefix)
            return
        async with aclosing(self._run.stream("target", prefix)) as steps:
            async for step in steps:
                yield step

    def drop(self, place: int) -> None:
        """End the version of a step that the draft's stands for."""
        if place in self._begun:
            self._begun.pop(place).task.cancel()

    async def take(self, prefix: Prefix, *spared: PendingTask[None]) -> Generation:
        """The version of the step behind `prefix`, to be committed. All else in flight but `spared` is dropped."""
        version = self.begin(prefix)
        self._begun = {prefix.index + 1: version} if self._continues else {}
        self._run.cancel(version.task, *spared)
        return await version.at(prefix.index)
