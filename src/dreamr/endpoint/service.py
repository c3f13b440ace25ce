"""Questions on their way through a method: admitted, answered step by step, counted."""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from statistics import fmean
from typing import NamedTuple

from dreamr.config import Method, Sampling
from dreamr.endpoint.failures import Failure
from dreamr.endpoint.metrics import Metrics
from dreamr.endpoint.stops import StoppedText
from dreamr.engines.protocol import EngineDied, Reader
from dreamr.methods import protocol as methods
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.run import WATCHER
from dreamr.prompts import STEP_BREAK, Prompt
from dreamr.traces import Step

REMEMBERED = 64  # answers whose seconds say how long the next ones will take


@dataclass(frozen=True)
class Told:
    """A committed step, its place in the answer, when (seconds since the question began), and the text that it adds.

    The blank line between two steps stands before the second, so all texts together are the answer's.
    """

    step: Step
    place: int
    seconds: float
    text: str = ""


class Served(NamedTuple):
    """A method on its engines, the one whose tokens a prompt is counted in, and whether that one thinks first.

    `promise`: what a calibrated threshold is and promises; an alpha of None: the method is the target alone.
    """

    method: Method
    engines: Engines
    reader: Reader
    thinking: bool = False
    promise: Mapping[str, float | None] | None = None


@dataclass
class Service:
    """Methods on running engines. `concurrency` questions are under way, `queue` more may wait."""

    methods: Mapping[str, Served]  # by the name that clients use
    sampling: Sampling
    limits: Limits
    concurrency: int
    queue: int
    metrics: Metrics = field(default_factory=Metrics)
    dead: EngineDied | None = None  # why no question will ever be answered again

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.concurrency)
        self._waiting = 0
        self._taken: deque[float] = deque(maxlen=REMEMBERED)

    def served(self, name: str) -> Served:
        """The method of this name; Failure where there is none."""
        if name not in self.methods:
            told = f"model: {name[:60]!r} is not served; there are: {', '.join(self.methods)}"
            raise Failure(404, told, "model", "model_not_found")
        return self.methods[name]

    async def answer(
        self, name: str, prompt: Prompt, limits: Limits, stops: Sequence[str] = ()
    ) -> AsyncGenerator[Told | Outcome, None]:
        """Each step once it is committed, and the outcome at the end; the question has its `place`.

        `limits` are those `under` the method. Closing the generator drops the question.
        """
        method, engines, *_ = self.served(name)
        begun = time.perf_counter()
        async with aclosing(_until(stops, _committed(prompt, engines, method, limits))) as items:
            try:
                async for item in items:
                    self._count(name, item, time.perf_counter() - begun)
                    yield item
            except EngineDied as error:
                self.die(error)
                raise self.gone() from error

    def _count(self, name: str, item: Told | Outcome, seconds: float) -> None:
        if isinstance(item, Outcome):
            self._taken.append(seconds)
            self.metrics.count(name, item, seconds)
        elif item.place == 0:
            self.metrics.first_step.labels(name).observe(item.seconds)

    def die(self, why: EngineDied) -> None:
        """No engine comes back to life: from now on every question is refused."""
        self.dead = self.dead or why

    def gone(self) -> Failure:
        """What is told when an engine is dead."""
        return Failure(503, f"{self.dead}; the server ends")

    @asynccontextmanager
    async def place(self, name: str) -> AsyncIterator[None]:
        """One of the places, waited for in the order of arrival; Failure where too many wait already."""
        if self.dead:
            raise self.gone()
        if self._places.locked() and self._waiting >= self.queue:
            told = f"{self._waiting} questions wait already; try again"
            raise Failure(429, told, None, "rate_limit_exceeded", **{"Retry-After": str(self._seconds_to_wait())})
        try:
            await self._waited(name)
            try:
                with self.metrics.running.labels(name).track_inprogress():
                    yield
            finally:
                self._places.release()
        except (asyncio.CancelledError, GeneratorExit):
            self.metrics.abandoned.labels(name).inc()
            raise

    async def _waited(self, name: str) -> None:
        arrived = time.perf_counter()
        self._waiting += 1
        try:
            with self.metrics.waiting.labels(name).track_inprogress():
                await self._places.acquire()
        finally:
            self._waiting -= 1
        self.metrics.queued.labels(name).observe(time.perf_counter() - arrived)

    def _seconds_to_wait(self) -> int:
        """Until those who wait now have begun, as long as answers took lately."""
        mean = fmean(self._taken) if self._taken else 0.0
        return max(1, math.ceil(self._waiting * mean / self.concurrency))


async def _until(
    stops: Sequence[str], items: AsyncGenerator[Told | Outcome, None]
) -> AsyncGenerator[Told | Outcome, None]:
    """The items with their texts, until a stop string; what was begun beyond that is dropped."""
    text, joint, steps = StoppedText(stops), "", list[Step]()
    async with aclosing(items):
        async for item in items:
            if isinstance(item, Outcome):
                yield item
                return
            steps.append(item.step)
            yield replace(item, text=text.add(joint + item.step.text))
            if text.ended:
                yield stopped(text.whole, steps)
                return
            joint = "" if item.step.capped else STEP_BREAK


def stopped(text: str, steps: Sequence[Step]) -> Outcome:
    """What is known of an answer that a stop string ended: its committed steps, and of the drafts those decided on."""
    verified = [step for step in steps if step.accepted is not None]
    tokens = Counter({"draft": 0, "target": 0})
    for step in steps:
        tokens[step.writer] += step.tokens
    return Outcome(
        text=text,
        steps=tuple(steps),
        finish="end",
        drafted=len(verified) + sum(step.unread for step in steps),
        verified=len(verified),
        accepted=sum(step.accepted is True for step in verified),
        tokens=tokens.total(),
        draft_tokens=tokens["draft"],
        target_tokens=tokens["target"],
        spans=(),
    )


async def _committed(
    prompt: Prompt, engines: Engines, method: Method, limits: Limits
) -> AsyncGenerator[Told | Outcome, None]:
    told: asyncio.Queue[Told | None] = asyncio.Queue()
    places = count()

    async def run() -> Outcome:
        WATCHER.set(lambda step, seconds: told.put_nowait(Told(step, next(places), seconds)))
        return await methods.load(method.loop)(prompt, engines, method, limits)

    task = asyncio.create_task(run())
    task.add_done_callback(lambda _: told.put_nowait(None))
    try:
        while (item := await told.get()) is not None:
            yield item
        yield task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
