"""Put questions to models by a method: many at once, one at a time with the machine to itself, or under load.

All modes give the same text, up to rounding in the engine. A batch measures no time and spends no work that may be
thrown away: FPSR's text does not depend on its schedule, so there, where the target has other questions to go on with,
it is written by the sequential loop with the same verifier, for a fraction of the work, and once for all methods of a
job whose text it is. The other modes run each method's own loop and measure it beside target-only, on the same
questions with as many at once.

Under load a block of questions is answered as a closed loop: n are under way, and one that ends is followed by the
next, until none is left. Its throughput is its questions over the wall clock of all; latencies are of each question. At
its end fewer than n are under way, so blocks should hold several times as many as the largest n; the baseline ends
alike.
"""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import NamedTuple, Protocol, TypeVar

from dreamr.answering.cells import CellFile
from dreamr.answering.questions import Asked, Mode, TimedBlock
from dreamr.config import Method
from dreamr.engines.protocol import Engine, Reader
from dreamr.errors import UserError
from dreamr.machine.background import Background
from dreamr.methods import protocol as methods
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.prompts import Prompt
from dreamr.traces import Fit, Load, Trace

T = TypeVar("T")

MOST_REFUSED = 16  # questions in a row; more is no matter of single questions (our decision)


class TimedEngine(Engine, Reader, Protocol):
    """An engine whose answers can be timed."""

    async def warm_up(self, prompt: Prompt) -> None:
        """Do once what first requests pay for."""
        ...

    async def reset(self) -> None:
        """Forget all earlier prompts, so that none of them makes a later one faster."""
        ...


@dataclass(frozen=True)
class CellRun:
    """One method, the engines it runs on, and where its traces go."""

    name: str
    method: Method
    target: str
    draft: str
    replicate: int  # of the training that a SAPO draft is from
    device: str
    thinking: bool  # the template of whoever opens the answer begins a thinking block
    engines: Engines
    file: CellFile
    fits: Mapping[Asked, tuple[Fit, ...]]  # of each question that is left, to the models that take part
    count: Callable[[str], int]  # tokens of a text by the target's tokenizer

    def trace(
        self,
        asked: Asked,
        mode: Mode,
        timed: "Timed",
        baseline: float | None = None,
        load: Load | None = None,
        background: float | None = None,
    ) -> Trace:
        """A finished answer with its seconds and, timed by itself or under load, those of the target beside it."""
        return Trace(
            question=asked.question,
            benchmark=asked.benchmark,
            target=self.target,
            draft=self.draft,
            method=self.name,
            replicate=self.replicate,
            mode=mode,
            digest=self.file.digest,
            seconds=timed.seconds,
            baseline_seconds=baseline,
            load=load,
            background=background,
            device=self.device,
            thinking=self.thinking,
            fits=self.fits[asked],
            tokens_by_target=self.count(timed.outcome.text),
            **{field.name: getattr(timed.outcome, field.name) for field in fields(Outcome)},
        )

    def lacks(self, block: TimedBlock) -> bool:
        """Whether an answer of `block` is missing: then all of them are given anew."""
        return any(key not in self.file.traces for key in block.keys)


class Timed(NamedTuple):
    """How a question was answered, and the seconds that it took."""

    outcome: Outcome
    seconds: float


async def timed_answer(loop: str, method: Method, engines: Engines, asked: Asked, limits: Limits) -> Timed:
    """The outcome of `method` as `loop` writes it; what an engine refuses is an outcome."""
    start = time.perf_counter()
    outcome = await methods.load(loop)(asked.prompt, engines, method, limits.under(method))
    return Timed(outcome, time.perf_counter() - start)


async def closed_loop(work: Callable[[Asked], Awaitable[T]], asked: Iterable[Asked], at_once: int) -> list[T]:
    """`work` on every question in their order, `at_once` of them under way; the first failure drops the others."""
    places = asyncio.Semaphore(at_once)

    async def one(question: Asked) -> T:
        async with places:
            return await work(question)

    try:
        async with asyncio.TaskGroup() as tasks:
            begun = [tasks.create_task(one(question)) for question in asked]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in begun]


def take_over(cell: CellRun, other: CellFile, asked: Iterable[Asked]) -> int:
    """Take answers that are left from a method that writes the same text, as far as it has given them; how many."""
    keys = {question: question.key("batched") for question in asked}
    given = [one for one, key in keys.items() if key in other.traces and key not in cell.file.traces]
    own = {"method": cell.name, "digest": cell.file.digest}
    traces = [other.traces[keys[one]].model_copy(update=own | {"fits": cell.fits[one]}) for one in given]
    cell.file.append(*traces)
    return len(given)


async def answer_batched(
    cell: CellRun, asked: Sequence[Asked], limits: Limits, concurrency: int, done: Callable[[], object]
) -> None:
    """Answer what is left, `concurrency` questions at once. The first failure drops the others and is raised.

    Too many refused questions in a row are one.
    """
    loop, refusals = cell.method.batched.loop, Refusals(cell.name, cell.file, asked)

    async def one(question: Asked) -> None:
        timed = await timed_answer(loop, cell.method, cell.engines, question, limits)
        cell.file.append(cell.trace(question, "batched", timed))
        refusals.check()
        done()

    left = [question for question in asked if question.key("batched") not in cell.file.traces]
    await closed_loop(one, left, concurrency)


class Refusals:
    """Questions that were refused in a row.

    They are counted in the order of the questions as far as all are answered, by this job or by one before it: so
    whether a job stops, and with which words, does not depend on which answer came first. Each is looked at once.
    """

    def __init__(self, method: str, file: CellFile, asked: Iterable[Asked]) -> None:
        self._method, self._file, self._left, self._row = method, file, deque(asked), 0

    def check(self) -> None:
        """UserError where MOST_REFUSED questions in a row were refused."""
        while self._left and (trace := self._file.traces.get(self._left[0].key("batched"))):
            question = self._left.popleft()
            self._row = self._row + 1 if trace.refusal else 0
            if self._row == MOST_REFUSED:
                raise UserError(
                    f"{self._method}: {self._row} questions in a row were refused, the last one ({question.benchmark}, "
                    f"{question.question}) by model {trace.refused_by}: {trace.refusal}. Then the same command again"
                )


class BlockResult(NamedTuple):
    """How a block was answered, and the seconds that all of it took."""

    answers: list[Timed]
    seconds: float


@dataclass(frozen=True)
class Stopwatch:
    """Times answers by themselves or under load, on engines that remember nothing of what was timed before."""

    engines: Sequence[TimedEngine]
    target: TimedEngine  # plain: every speed-up is a ratio to it
    limits: Limits

    async def answer(
        self,
        cells: Sequence[CellRun],
        blocks: Sequence[TimedBlock],
        warm_up: Asked | None,
        done: Callable[[int], object],
    ) -> None:
        """Time what is left, block by block: all cells and target-only on one block right after each other.

        The order turns from block to block, so that at no load a method always runs first or next to the
        baseline. `warm_up` is answered once for nothing, where there is a question that no engine refuses. `done` is
        told how many answers were kept.
        """
        left = [[cell for cell in cells if cell.lacks(block)] for block in blocks]
        if any(left):
            gc.freeze()  # what is loaded stays; from here on, collecting garbage is quick
            if warm_up:
                await self._round(cells, TimedBlock("alone", (warm_up,)))
        for block, missing in zip(blocks, left, strict=True):
            if missing:
                background = Background()
                *timed, baseline = await self._round(missing, block)
                share = background.share()
                for cell, own in zip(missing, timed, strict=True):
                    cell.file.append(*_traces(cell, block, own, baseline, share))
                    done(len(block.asked))

    async def _round(self, cells: Sequence[CellRun], block: TimedBlock) -> list[BlockResult]:
        """How each cell and, behind them, target-only answered."""
        plain = (Method(loop="target_only"), Engines(target=self.target))
        runs = [*((cell.method, cell.engines) for cell in cells), plain]  # target-only as a cell is a control: two runs
        order = [(block.number + place) % len(runs) for place in range(len(runs))]
        timed = {place: await self._timed(*runs[place], block) for place in order}
        return [timed[place] for place in range(len(runs))]

    async def _timed(self, method: Method, engines: Engines, block: TimedBlock) -> BlockResult:
        for engine in self.engines:
            await engine.reset()

        def one(question: Asked) -> Awaitable[Timed]:
            return timed_answer(method.loop, method, engines, question, self.limits)

        with _no_garbage_collection():
            start = time.perf_counter()
            answers = await closed_loop(one, block.asked, block.at_once)
            return BlockResult(answers, time.perf_counter() - start)


def _traces(
    cell: CellRun, block: TimedBlock, timed: BlockResult, baseline: BlockResult, background: float
) -> Iterator[Trace]:
    """A cell's answers to a block beside target-only; a question that was refused to that has no baseline.

    `background` is the share of the machine's CPU time that other processes took while the block was answered.
    """
    load = None
    if block.mode == "load":
        load = Load(
            at_once=block.at_once,
            block=block.number,
            questions=len(block.asked),
            seconds=timed.seconds,
            baseline_seconds=baseline.seconds,
        )
    for question, own, of_target in zip(block.asked, timed.answers, baseline.answers, strict=True):
        seconds = None if of_target.outcome.refusal else of_target.seconds
        yield cell.trace(question, block.mode, own, seconds, load, background)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
