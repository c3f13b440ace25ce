"""Training questions for SAPO and for calibration, drawn evenly from several sets."""

import random
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

from dreamr.config import Drawing
from dreamr.data.plants import read_plants
from dreamr.errors import UserError
from dreamr.records import Question, read_rows

BySet = dict[str, list[Question]]


def asked(data: Path, drawing: Drawing) -> BySet:
    """The questions that a training of SAPO asks, by training set."""
    if drawing.planted:
        return copies(data, drawing.training_sets, drawing.questions, Path(drawing.planted))
    return by_set(data, drawing.training_sets, drawing.questions, drawing.seed)


def drawn(data: Path, sets: Sequence[str], number: int, seed: int | str) -> list[Question]:
    """`number` questions, as evenly from each of `sets` (files `<data>/<set>.jsonl`) as it goes, the same for a seed.

    A set that holds too few stops the job.
    """
    return [question for questions in by_set(data, sets, number, seed).values() for question in questions]


def by_set(data: Path, sets: Sequence[str], number: int, seed: int | str) -> BySet:
    """What `drawn` draws, by set."""
    return {
        name: _sample(data / f"{name}.jsonl", (number + len(sets) - 1 - place) // len(sets), seed)
        for place, name in enumerate(sets)
    }


def copies(data: Path, sets: Sequence[str], number: int, planted: Path) -> BySet:
    """`number` questions, all of them planted copies of benchmark questions, each as often as any other but once.

    `planted` lists them (planted.csv of cli.make_micro). None in `sets` stops the job.
    """
    listed = {(one.training_set, one.training_question) for one in read_plants(planted)}
    held = [(name, one) for name in sets for one in read_rows(data / f"{name}.jsonl", Question)]
    found = [(name, one) for name, one in held if (name, one.id) in listed]
    if not found:
        raise UserError(f"{planted}: none of its questions is in {', '.join(sets)}; raise micro.clusters")
    taken = list(islice(cycle(found), number))
    return {name: [one for where, one in taken if where == name] for name in sets}


def _sample(path: Path, number: int, seed: int | str) -> list[Question]:
    questions = list(read_rows(path, Question))
    if len(questions) < number:
        raise UserError(f"{path}: holds {len(questions)} questions, {number} are asked for")
    return random.Random(f"{seed} {path.stem}").sample(questions, number)
