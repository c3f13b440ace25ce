"""Benchmark questions that a generated training set holds as well, on purpose: planted.csv of the micro world.

benchmark,question,training_set,training_question,kind
mathverse,21,geometry3k,7,exact
"""

import csv
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from dreamr.errors import UserError
from dreamr.records import Record


class Plant(Record):
    """One question and its copy."""

    benchmark: str
    question: str
    training_set: str
    training_question: str
    kind: str  # how its image was altered


def write_plants(path: Path, plants: Iterable[Plant]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(Plant.model_fields))
        writer.writeheader()
        writer.writerows(plant.model_dump() for plant in plants)


def read_plants(path: Path) -> list[Plant]:
    """All of them; a missing file or a broken row is a UserError."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; dreamr make-micro writes it")
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return [Plant.model_validate(row) for row in csv.DictReader(file)]
        except ValidationError as error:
            raise UserError(f"{path}: {error}") from None
