"""Training questions for SAPO and for calibration, drawn evenly from several sets."""

import random
from collections.abc import Sequence
from pathlib import Path

from dreamr.errors import UserError
from dreamr.records import Question, read_rows


def drawn(data: Path, sets: Sequence[str], number: int, seed: int | str) -> list[Question]:
    """`number` questions, as evenly from each of `sets` (files `<data>/<set>.jsonl`) as it goes, the same for a seed.

    A set that holds too few stops the job.
    """
    return [
        question
        for place, name in enumerate(sets)
        for question in _sample(data / f"{name}.jsonl", (number + len(sets) - 1 - place) // len(sets), seed)
    ]


def _sample(path: Path, number: int, seed: int | str) -> list[Question]:
    questions = list(read_rows(path, Question))
    if len(questions) < number:
        raise UserError(f"{path}: holds {len(questions)} questions, {number} are asked for")
    return random.Random(f"{seed} {path.stem}").sample(questions, number)
