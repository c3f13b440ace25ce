"""The questions of a suite as they are put to the models, and which of them are timed."""

import hashlib
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from dreamr.config import LoadBlocks, Slice, Suite
from dreamr.errors import UserError
from dreamr.planning.jobs import Sample
from dreamr.prompts import Prompt, question_prompt
from dreamr.provenance import spec_digest
from dreamr.records import Question, read_rows

Mode = Literal["batched", "alone", "load"]
AnswerKey = tuple[Mode, str, str, int]  # mode, benchmark, question, questions at once (0 where mode is not "load")


class Asked(NamedTuple):
    """A question as it is put to the models."""

    benchmark: str
    question: str
    cluster: str  # questions that share it are not independent
    prompt: Prompt

    def key(self, mode: Mode, at_once: int = 0) -> AnswerKey:
        """What its answer in this mode is kept under."""
        return mode, self.benchmark, self.question, at_once


class TimedBlock(NamedTuple):
    """Questions that are timed together: one by itself, or a block of them with so many at once."""

    mode: Mode
    asked: tuple[Asked, ...]
    at_once: int = 1
    number: int = 0  # of the block, or of the question by itself: turns go by it

    @property
    def keys(self) -> list[AnswerKey]:
        """What its answers are kept under."""
        return [question.key(self.mode, self.at_once if self.mode == "load" else 0) for question in self.asked]


def suite_questions(suite: Suite, data: Path) -> list[list[Asked]]:
    """The questions of each slice, from DATA/<benchmark>.jsonl; a slice without any stops the job."""
    return [_slice_questions(part, data) for part in suite.slices]


def _slice_questions(part: Slice, data: Path) -> list[Asked]:
    path = data / f"{part.benchmark}.jsonl"
    whole = list(read_rows(path, Question))
    low, high = part.share or (0, 1)
    folder, rows = str(data.resolve()), [row for row in whole if low <= _place(row.cluster) < high]
    questions = [Asked(part.benchmark, row.id, row.cluster, question_prompt(row, folder)) for row in rows]
    questions = [*one_version(questions).values()] if part.versions == "one" else questions
    number, shards = part.shard
    chosen = questions[len(questions) * (number - 1) // shards : len(questions) * number // shards]
    if not chosen:
        share = f" of share {list(part.share)}" if part.share else ""
        raise UserError(f"{path}: shard {number} of {shards}{share} holds none of its {len(whole)} questions")
    return chosen


def _place(cluster: str) -> float:
    """A problem's hash as a number from 0 to 1, which is not reached: the same for all of its versions."""
    return int.from_bytes(hashlib.sha256(cluster.encode()).digest()[:6]) / 2**48


def one_version(asked: Iterable[Asked]) -> dict[tuple[str, str], Asked]:
    """Of each problem, by benchmark and cluster, one version, in the order of the problems.

    Ids alone decide, so it is the same one in whatever part of the data the problem is.
    """
    problems: dict[tuple[str, str], list[Asked]] = {}
    for question in asked:
        problems.setdefault((question.benchmark, question.cluster), []).append(question)
    return {problem: min(versions, key=_lot) for problem, versions in problems.items()}


def _lot(asked: Asked) -> str:
    """A question's place in an order that its ids decide."""
    return spec_digest(asked.benchmark, asked.question)


def sampled(slices: Iterable[Sequence[Asked]], sample: Sample) -> list[Asked]:
    """One version of each problem, in random order, the first so many: for one seed fewer are the begin of more.

    Too few problems stop the job.
    """
    problems = one_version(question for part in slices for question in part)
    if len(problems) < sample.problems:
        raise UserError(
            f"calibration.suite: its slices hold {len(problems)} problems, and {sample.problems} are asked for "
            "(`problems` of an alpha): ask for fewer, or give it more"
        )
    order = random.Random(sample.seed).sample(sorted(problems), len(problems))
    return [problems[one] for one in order][: sample.problems]


def spread(asked: Sequence[Asked], wanted: int, draft: str) -> list[Asked]:
    """`wanted` of the questions, one from each of as many equal stretches, at a place that draft and ids decide.

    A fixed stride would meet the period of the data (MathVerse's versions, MMBench's rotations) and time only one kind.
    All methods of a draft are timed on the same questions, other drafts on others: so a pool over pairs, whose
    interval is as narrow as it has different questions, sees more of them for the same time.
    """
    wanted = min(wanted, len(asked))
    stretches = [asked[len(asked) * i // wanted : len(asked) * (i + 1) // wanted] for i in range(wanted)]
    return [min(stretch, key=lambda asked: spec_digest(draft, asked.question)) for stretch in stretches]


def load_blocks(slices: Iterable[Sequence[Asked]], settings: LoadBlocks) -> list[TimedBlock]:
    """Each block of the questions at each size, block after block, so that what is compared lies close together.

    The order of the sizes turns from block to block, so that none is always the first. A block has about the same share
    of every slice, mixed by what ids decide, and questions of one cluster stay together. One that has fewer
    questions than are asked at once stops the job.
    """
    blocks = _blocks(slices, settings.blocks)
    smallest, largest = min(map(len, blocks)), settings.sizes[-1]
    if smallest < largest:
        raise UserError(
            f"load: {settings.blocks} blocks have {smallest} questions and more, too few for {largest} at once; "
            "ask fewer at once, or make fewer blocks"
        )
    order = [settings.sizes[turn:] + settings.sizes[:turn] for turn in range(len(settings.sizes))]
    return [
        TimedBlock("load", tuple(block), size, number)
        for number, block in enumerate(blocks)
        for size in order[number % len(order)]
    ]


def _blocks(slices: Iterable[Sequence[Asked]], number: int) -> list[list[Asked]]:
    """A cluster goes where its first question lies when the slice is cut into `number` equal stretches."""
    blocks: list[list[Asked]] = [[] for _ in range(number)]
    for part in slices:
        places: dict[str, int] = {}
        for position, question in enumerate(part):
            blocks[places.setdefault(question.cluster, position * number // len(part))].append(question)
    return [sorted(block, key=_lot) for block in blocks]
