"""Engines on the virtual clock that batch as a serving engine does, on cores that they share.

An engine works in iterations, each of which gives every request under way one token (Orca, OSDI 2022; vLLM does so). A
request that comes meanwhile waits for the next one, in which its prompt is read: so a verdict waits for the step that
is being computed, and prompts slow those who decode. Blocks of the prefix cache that are full are not read again.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from dreamr.engines.protocol import Generation, Meter
from dreamr.engines.virtual import Machine, Request, SimulatedEngine
from dreamr.prompts import STEP_BREAK, Prompt
from dreamr.replay.recorded import Recorded
from dreamr.steps import split

BLOCK = 32  # tokens of a block of the prefix cache, as the engines here are started


@dataclass(frozen=True)
class Cost:
    """What the work of one engine takes, in seconds of an engine that is alone; linear where nothing overlaps."""

    decode: float = 0.0  # an iteration with one request
    prefill: float = 0.0  # per token of a prompt that no full block holds
    request: float = 0.0  # per request, before the engine sees it; it holds up nobody else
    opening: float = 0.0  # first request of a question: its pictures are prepared and encoded
    verdict: float = 0.0  # beyond an iteration that reads its prompt
    crowding: float = 0.0  # share of an iteration that each further request adds


class _Served:
    """A request in an engine's batch."""

    def __init__(self, reading: float, prompt: Prompt, meter: Meter, engine: "ServingEngine") -> None:
        self.reading = reading  # seconds that its next iteration takes beyond a token
        self._tokens, self._wanted = 0, 0
        self._reached: asyncio.Future[None] | None = None
        self._prompt, self._meter, self._engine = prompt, meter, engine

    async def decode(self, step: Generation) -> None:
        await self._until(self._wanted + step.tokens)
        self._prompt = self._engine.keep(self._prompt, step)

    async def judge(self) -> None:
        self.reading += self._engine.cost.verdict
        await self._until(1)

    async def _until(self, tokens: int) -> None:
        self._wanted = tokens
        if self._tokens < tokens:
            self._reached = asyncio.get_running_loop().create_future()
            await self._reached

    def advance(self) -> None:
        """An iteration has passed. What its reader did not ask for yet is written ahead, as it is in a stream."""
        self.reading = 0.0
        self._tokens += 1
        self._meter.tokens += 1
        if self._reached and self._tokens >= self._wanted and not self._reached.done():
            self._reached.set_result(None)


class Batch:
    """The requests of one engine, and the loop that serves them on a machine."""

    def __init__(self, cost: Cost, machine: Machine) -> None:
        self._cost, self._machine = cost, machine
        self._served: list[_Served] = []
        self._loop: asyncio.Task[None] | None = None

    @contextmanager
    def with_one_more(self, request: _Served) -> Iterator[_Served]:
        """Serve `request` until the block is left."""
        self._served.append(request)
        if self._loop is None:
            self._loop = asyncio.get_running_loop().create_task(self._serve())
        try:
            yield request
        finally:
            self._served.remove(request)

    async def _serve(self) -> None:
        while served := list(self._served):
            more = self._cost.crowding * (len(served) - 1)
            reading = sum(request.reading for request in served)
            await self._machine.work(max(0.0, self._cost.decode * (1 + more) + reading))
            for request in served:
                request.advance()
            await asyncio.sleep(0)  # those who have what they wanted leave, or ask on
        self._loop = None


class ServingEngine(SimulatedEngine):
    """One model for one question, in the batch of its engine."""

    def __init__(self, model: Recorded, cost: Cost, batch: Batch) -> None:
        super().__init__(model)
        self.cost = cost
        self._recorded, self._batch = model, batch
        self._read: set[tuple[str, ...]] = set()  # or written: answers so far, by their steps
        self._opened = False

    @asynccontextmanager
    async def _request(self, prompt: Prompt, meter: Meter) -> AsyncIterator[Request]:
        opening = 0.0 if self._opened else self.cost.opening
        self._opened = True
        await asyncio.sleep(self.cost.request + opening)
        reading = self.cost.prefill * self._fresh(prompt)
        with self._batch.with_one_more(_Served(reading, prompt, meter, self)) as request:
            yield request

    def keep(self, prompt: Prompt, step: Generation) -> Prompt:
        """The prompt with a step behind it, which the engine now has in its cache."""
        behind = Prompt(prompt.user, prompt.images, prompt.answer + step.text + STEP_BREAK * (step.finish == "stop"))
        self._read.add(split(behind.answer))
        return behind

    def _fresh(self, prompt: Prompt) -> int:
        """Tokens of `prompt` behind the last full block of what was read or written; all is known from now on."""
        steps, tokens = split(prompt.answer), self._recorded.tokens(prompt)
        prefixes = [steps[:length] for length in range(len(steps) + 1)]
        known = [length for length, prefix in enumerate(prefixes) if prefix in self._read]
        self._read.update(prefixes)
        cached = sum(tokens[: known[-1] + 1]) if known else 0
        return sum(tokens) - min(cached, sum(tokens) - 1) // BLOCK * BLOCK
