"""Put questions to models by a method: many at once, or one at a time with the machine to itself.

Both modes give the same text, up to rounding in the engine. Only the second measures latency, and only it spends work
that may be thrown away: FPSR's text does not depend on its schedule, so in a batch, where the target has other
questions to go on with, it is written by the sequential loop with the same verifier, for a fraction of the work.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Protocol

from dreamr.answering.cells import CellFile
from dreamr.answering.fitting import Reader
from dreamr.answering.questions import Asked, Mode
from dreamr.config import Method
from dreamr.engines.protocol import Engine
from dreamr.errors import UserError
from dreamr.methods import protocol as methods
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.prompts import Prompt
from dreamr.records import Fit, Trace

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
    seed: int  # of the training that a SAPO draft is from
    device: str
    thinking: bool  # the template of whoever opens the answer begins a thinking block
    engines: Engines
    file: CellFile
    fits: Mapping[Asked, tuple[Fit, ...]]  # of each question that is left, to the models that take part
    count: Callable[[str], int]  # tokens of a text by the target's tokenizer

    def keep(self, asked: Asked, mode: Mode, outcome: Outcome, seconds: float, baseline: float | None = None) -> None:
        """Keep a finished answer, with its seconds and, timed, those of the target beside it."""
        trace = Trace(
            question=asked.question,
            benchmark=asked.benchmark,
            target=self.target,
            draft=self.draft,
            method=self.name,
            seed=self.seed,
            mode=mode,
            digest=self.file.digest,
            seconds=seconds,
            baseline_seconds=baseline,
            device=self.device,
            thinking=self.thinking,
            fits=self.fits[asked],
            tokens_by_target=self.count(outcome.text),
            **{field.name: getattr(outcome, field.name) for field in fields(Outcome)},
        )
        self.file.append(trace)

    def left(self, asked: Iterable[Asked], mode: Mode) -> list[Asked]:
        """The questions that this cell has no trace of."""
        return [one for one in asked if one.key(mode) not in self.file.traces]


async def timed_answer(
    loop: str, method: Method, engines: Engines, asked: Asked, limits: Limits
) -> tuple[Outcome, float]:
    """The outcome of `method` as `loop` writes it, and the seconds it took; what an engine refuses is an outcome."""
    start = time.perf_counter()
    outcome = await methods.load(loop)(asked.prompt, engines, method, limits.under(method))
    return outcome, time.perf_counter() - start


async def answer_batched(
    cell: CellRun, asked: Sequence[Asked], limits: Limits, concurrency: int, done: Callable[[], object]
) -> None:
    """Answer what is left, `concurrency` questions at once. The first failure drops the others and is raised.

    Too many refused questions in a row are one.
    """
    places = asyncio.Semaphore(concurrency)
    loop = methods.IN_BATCHES.get(cell.method.loop, cell.method.loop)

    async def one(question: Asked) -> None:
        async with places:
            cell.keep(question, "batched", *await timed_answer(loop, cell.method, cell.engines, question, limits))
            stop_at_refusals(cell.name, cell.file, asked)
            done()

    try:
        async with asyncio.TaskGroup() as tasks:
            for question in cell.left(asked, "batched"):
                tasks.create_task(one(question))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def stop_at_refusals(method: str, file: CellFile, asked: Sequence[Asked]) -> None:
    """UserError where MOST_REFUSED questions in a row were refused.

    They are counted in the order of the questions as far as all are answered, by this job or by one before it: so
    whether a job stops, and with which words, does not depend on which answer came first.
    """
    row = 0
    for question in asked:
        trace = file.traces.get(question.key("batched"))
        if trace is None:
            return
        row = row + 1 if trace.refusal else 0
        if row == MOST_REFUSED:
            raise UserError(
                f"{method}: {row} questions in a row were refused, the last one ({question.benchmark}, "
                f"{question.question}) by model {trace.refused_by}: {trace.refusal}. Then the same command again"
            )


@dataclass(frozen=True)
class Stopwatch:
    """Times answers one at a time, on engines that remember nothing of the answer before."""

    engines: Sequence[TimedEngine]
    target: TimedEngine  # plain: every speed-up is a ratio to it
    limits: Limits

    async def answer_alone(
        self, cells: Sequence[CellRun], asked: Sequence[Asked], warm_up: Asked | None, done: Callable[[CellRun], object]
    ) -> None:
        """Time what is left, question by question: all cells and target-only on one question right after each other.

        The order turns from question to question, so that no method always runs first or next to the baseline.
        `warm_up` is answered once for nothing, where there is a question that no engine refuses.
        """
        left = [[cell for cell in cells if cell.left([question], "alone")] for question in asked]
        if any(left):
            gc.freeze()  # what is loaded stays; from here on, collecting garbage is quick
            if warm_up:
                await self._round(cells, warm_up, turn=0)
        for turn, (question, missing) in enumerate(zip(asked, left, strict=True)):
            if missing:
                outcomes, baseline = await self._round(missing, question, turn)
                for cell, outcome in zip(missing, outcomes, strict=True):
                    cell.keep(question, "alone", *outcome, baseline=baseline)
                    done(cell)

    async def _round(
        self, cells: Sequence[CellRun], question: Asked, turn: int
    ) -> tuple[list[tuple[Outcome, float]], float | None]:
        """Outcome and seconds of each cell, and the seconds of target-only; None where that was refused."""
        plain = (Method(loop="target_only"), Engines(target=self.target))
        runs = [*((cell.method, cell.engines) for cell in cells), plain]  # target-only as a cell is a control: two runs
        order = [(turn + place) % len(runs) for place in range(len(runs))]
        outcomes = {place: await self._timed(*runs[place], question) for place in order}
        *answers, (baseline, seconds) = (outcomes[place] for place in range(len(runs)))
        return answers, None if baseline.refusal else seconds

    async def _timed(self, method: Method, engines: Engines, question: Asked) -> tuple[Outcome, float]:
        for engine in self.engines:
            await engine.reset()
        with _no_garbage_collection():
            return await timed_answer(method.loop, method, engines, question, self.limits)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
