"""One question under way: what is committed, what is in flight, and the record of every request."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from itertools import takewhile
from typing import Any, Literal, TypeVar

from dreamr.engines.protocol import Choice, Generation, Meter, Refused, TokenEngine
from dreamr.methods.prefix import Prefix, unit
from dreamr.methods.protocol import Engines, Limits, Outcome, Writer
from dreamr.prompts import STEP_BREAK, Prompt
from dreamr.traces import Span, Step
from dreamr.verifiers.protocol import Verdict, Verifier

T = TypeVar("T")

Watcher = Callable[[Step, float], object]
# Told of each step once it is committed, with the seconds since the question began; for someone who looks on.
WATCHER: ContextVar[Watcher] = ContextVar("watcher", default=lambda step, seconds: None)


class PendingTask(Awaitable[T]):
    """Work under way. That an engine refused it is told to whoever awaits its result, and to nobody else.

    So what was begun ahead and is never needed ends no question, whichever request came first.
    """

    def __init__(self, task: asyncio.Task[T | Refused]) -> None:
        self._task = task

    def __await__(self) -> Generator[Any, None, T]:
        result = yield from self._task.__await__()
        if isinstance(result, Refused):
            raise result
        return result

    def cancel(self) -> None:
        """Drop it."""
        self._task.cancel()


async def _or_refusal(work: Coroutine[Any, Any, T]) -> T | Refused:
    try:
        return await work
    except Refused as refusal:
        return refusal


class QuestionRun:
    """The state of one question. Loops read `prefix`, start requests and commit steps; nothing else changes it."""

    def __init__(self, prompt: Prompt, engines: Engines, limits: Limits, tasks: asyncio.TaskGroup) -> None:
        self.prefix = Prefix(prompt, limits)
        self._engines = engines
        self._tasks = tasks
        self._started: list[PendingTask[Any]] = []
        self._refusal: Refused | None = None
        self._zero = engines.now()
        self._steps: list[Step] = []
        self._spans: list[Span] = []
        self._drafted = self._verified = self._accepted = 0
        self._longer = asyncio.Event()  # set by the next commit, and then replaced

    def is_open(self, place: int, window: float) -> bool:
        """Whether step `place` is one of the first `window` that are undecided."""
        return place < self.prefix.index + window

    async def opened(self, place: int, window: float) -> None:
        """Wait until that is so."""
        while not self.is_open(place, window):
            await self._longer.wait()

    # Requests

    def start(self, work: Coroutine[Any, Any, T]) -> PendingTask[T]:
        """Begin `work` now; it ends with the question at the latest, and its failure ends the question."""
        task = self._tasks.create_task(_or_refusal(work))
        task.add_done_callback(lambda _: work.close())  # one that is dropped before it begins
        self._started.append(PendingTask(task))
        return self._started[-1]

    def cancel(self, *spared: PendingTask[Any]) -> None:
        """Drop everything in flight but `spared`."""
        for begun in self._started:
            if begun not in spared:
                begun.cancel()
        self._started = list(spared)

    async def write(self, writer: Writer, prefix: Prefix) -> Generation:
        """The next unit by `writer`, in a request of its own."""
        meter = Meter()
        with self._span(writer, prefix.index, meter):
            written = await self._unit(writer, prefix, meter)
        self._note_written(writer)
        return written

    async def _unit(self, writer: Writer, prefix: Prefix, meter: Meter) -> Generation:
        """A single step ends in the engine; of several the request is dropped behind the last."""
        if prefix.limits.unit == 1:
            engine = self._engines.of(writer)
            step = await engine.generate(prefix.prompt, stop=STEP_BREAK, max_tokens=prefix.room, meter=meter)
            return prefix.taken(step, writer)
        async with aclosing(self._single_steps(writer, prefix, meter)) as steps:
            return await unit(steps, prefix.limits.unit)

    async def stream(
        self, writer: Writer, prefix: Prefix, window: float = math.inf
    ) -> AsyncGenerator[Generation, None]:
        """All units by `writer` from `prefix` to the end of the answer, in one request if the engine can.

        Where the window is full the request is dropped, as none can be held, and a new one goes on once there is room.
        """
        while prefix.finish is None:
            await self.opened(prefix.index, window)
            meter = Meter()
            async with aclosing(self._single_steps(writer, prefix, meter)) as steps:
                while prefix.finish is None and self.is_open(prefix.index, window):
                    with self._span(writer, prefix.index, meter):
                        written = await unit(steps, prefix.limits.unit)
                    self._note_written(writer)
                    prefix = prefix.after(written)
                    yield written

    async def _single_steps(self, writer: Writer, prefix: Prefix, meter: Meter) -> AsyncGenerator[Generation, None]:
        """All steps by `writer`, one by one, as the answer takes them.

        Where it takes one otherwise than it was written, a new request goes on from what was taken.
        """
        while prefix.finish is None:
            verbatim = True
            async with aclosing(self._request(writer, prefix, meter)) as steps:
                while verbatim and prefix.finish is None:
                    written = await anext(steps)
                    step = prefix.taken(written, writer)
                    verbatim, prefix = step.text == written.text, prefix.after(step)
                    yield step

    def _request(self, writer: Writer, prefix: Prefix, meter: Meter) -> AsyncGenerator[Generation, None]:
        return self._engines.of(writer).stream(
            prefix.prompt,
            stop=STEP_BREAK,
            step_tokens=prefix.limits.step_tokens,
            max_tokens=prefix.left,
            stepwise=prefix.shared,
            meter=meter,
        )

    async def verify(self, verifier: Verifier, prefix: Prefix, draft: Generation, own: str = "") -> Verdict:
        """The target's verdict on `draft` behind `prefix`; a step that the prefix forbids is rejected unasked."""
        if prefix.forbids(draft):
            return Verdict(None, False)
        meter = Meter()
        with self._span("verify", prefix.index, meter):
            verdict = await verifier(self._engines.of("target"), prefix.prompt, draft.text, own)
            meter.tokens = 1
        return verdict

    async def propose(self, draft: TokenEngine, prompt: Prompt, behind: tuple[int, ...], most: int) -> tuple[int, ...]:
        """The draft's next tokens, so many at most, behind `prompt` and the tokens `behind` it."""
        meter = Meter()
        with self._span("draft", self.prefix.index, meter):
            return await draft.propose(prompt, behind, max_tokens=most, meter=meter)

    async def check(
        self, target: TokenEngine, prompt: Prompt, behind: tuple[int, ...], proposed: tuple[int, ...]
    ) -> tuple[Choice, ...]:
        """The target's own tokens: those of the proposed ones that it would have written, and the next."""
        meter = Meter()
        with self._span("target", self.prefix.index, meter):
            own = await target.choices(prompt, behind, proposed)
            kept = sum(1 for _ in takewhile(lambda pair: pair[0].token == pair[1], zip(own, proposed, strict=False)))
            meter.tokens = len(own[: kept + 1])
        return own[: kept + 1]

    async def logprobs(self, reader: Writer, prefix: Prefix, step: Generation) -> tuple[float, ...]:
        """Log-probability of each token of a taken `step` behind `prefix` by `reader`, whoever wrote it."""
        with self._span("read", prefix.index, Meter(), reader):
            return await self._engines.of(reader).text_logprobs(prefix.prompt, step.text)

    @contextmanager
    def _span(
        self, kind: Literal["draft", "target", "verify", "read"], step: int, meter: Meter, engine: Writer = "target"
    ) -> Iterator[None]:
        """Record a request, or the part of a stream that writes one step, also when it is cancelled."""
        start, tokens, cancelled = self._now(), meter.tokens, True
        try:
            yield
            cancelled = False
        finally:
            span = Span(
                engine="draft" if kind == "draft" else engine,
                kind=kind,
                step=step,
                start=start,
                end=self._now(),
                cancelled=cancelled,
                tokens=meter.tokens - tokens,
            )
            self._spans.append(span)

    def _now(self) -> float:
        return self._engines.now() - self._zero

    def _note_written(self, writer: Writer) -> None:
        if writer == "draft":
            self._drafted += 1

    # Commits

    def commit(self, step: Generation, writer: Writer) -> None:
        """Extend the answer by a step that nobody verified."""
        self._extend(step, writer)

    def accept(self, draft: Generation, verdict: Verdict) -> None:
        """Extend the answer by the draft's step."""
        self._verified += 1
        self._accepted += 1
        self._extend(draft, "draft", verdict=verdict.value, expected=verdict.expected, accepted=True)

    def reject_and_replace(self, draft: Generation, verdict: Verdict, own: Generation) -> None:
        """Extend the answer by the target's own version of a rejected draft step."""
        self._verified += 1
        found = {"verdict": verdict.value, "expected": verdict.expected}
        self._extend(own, "target", **found, accepted=False, rejected=draft.text)

    def _extend(self, step: Generation, writer: Writer, **decision: Any) -> None:
        capped = step.finish == "length"
        self._steps.append(Step(text=step.text, writer=writer, tokens=step.tokens, capped=capped, **decision))
        self.prefix = self.prefix.after(step)
        self._longer.set()
        self._longer = asyncio.Event()
        WATCHER.get()(self._steps[-1], self._now())

    def refuse(self, refusal: Refused) -> None:
        """End the answer where an engine refused what it needs next; what is committed stays."""
        self._refusal = refusal
        self.prefix = replace(self.prefix, finish="refused")

    def outcome(self) -> Outcome:
        """The finished question."""
        assert self.prefix.finish is not None, "the answer goes on"
        return Outcome(
            text=self.prefix.prompt.answer.rstrip(),
            steps=tuple(self._steps),
            finish=self.prefix.finish,
            drafted=self._drafted,
            verified=self._verified,
            accepted=self._accepted,
            tokens=self.prefix.tokens,
            draft_tokens=sum(span.tokens for span in self._spans if span.engine == "draft"),
            target_tokens=sum(span.tokens for span in self._spans if span.engine == "target"),
            spans=tuple(sorted(self._spans, key=lambda span: (span.start, span.end))),
            refused_by=self._refusal.model if self._refusal else None,
            refusal=self._refusal.why if self._refusal else None,
        )


@asynccontextmanager
async def running(prompt: Prompt, engines: Engines, limits: Limits) -> AsyncIterator[QuestionRun]:
    """One question's run. On leaving, nothing of it is left in flight; the first failure of any request is raised.

    A refusal is no failure but an outcome. It is taken up within the group, so it can hide neither a failure of another
    request nor a cancellation.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            run = QuestionRun(prompt, engines, limits, tasks)
            try:
                yield run
            except Refused as refusal:
                run.refuse(refusal)
            run.cancel()
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
