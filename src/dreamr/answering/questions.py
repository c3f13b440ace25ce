"""The questions of a suite as they are put to the models, and which of them are timed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from dreamr.config import Slice, Suite
from dreamr.errors import UserError
from dreamr.prompts import Prompt, question_prompt
from dreamr.provenance import spec_digest
from dreamr.records import Question, read_rows

Mode = Literal["batched", "alone"]
AnswerKey = tuple[Mode, str, str]  # mode, benchmark, question


class Asked(NamedTuple):
    """A question as it is put to the models."""

    benchmark: str
    question: str
    prompt: Prompt

    def key(self, mode: Mode) -> AnswerKey:
        """What its answer in this mode is kept under."""
        return mode, self.benchmark, self.question


def suite_questions(suite: Suite, data: Path) -> list[list[Asked]]:
    """The questions of each slice, from DATA/<benchmark>.jsonl; a slice without any stops the job."""
    return [_slice_questions(part, data) for part in suite.slices]


def _slice_questions(part: Slice, data: Path) -> list[Asked]:
    path = data / f"{part.benchmark}.jsonl"
    questions = list(read_rows(path, Question))
    number, shards = part.shard
    chosen = questions[len(questions) * (number - 1) // shards : len(questions) * number // shards]
    if not chosen:
        raise UserError(f"{path}: shard {number} of {shards} holds none of its {len(questions)} questions")
    return [Asked(part.benchmark, row.id, question_prompt(row, str(data.resolve()))) for row in chosen]


def spread(asked: Sequence[Asked], wanted: int, draft: str) -> list[Asked]:
    """`wanted` of the questions, one from each of as many equal stretches, at a place that draft and ids decide.

    A fixed stride would meet the period of the data (MathVerse's versions, MMBench's rotations) and time only one kind.
    All methods of a draft are timed on the same questions, other drafts on others: so a pool over pairs, whose
    interval is as narrow as it has different questions, sees more of them for the same time.
    """
    wanted = min(wanted, len(asked))
    stretches = [asked[len(asked) * i // wanted : len(asked) * (i + 1) // wanted] for i in range(wanted)]
    return [min(stretch, key=lambda one: spec_digest(draft, one.question)) for stretch in stretches]
