"""The typed rows that flow between stages: what they share, and questions; others are in `traces` and `scores`.

Every file between two rules holds one JSON object a line of one of these types. The types are closed: a row with an
unknown or a missing field stops the job that reads it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from dreamr.errors import UserError
from dreamr.files import write_atomically

IMAGE_MARK = "<image>"  # stands in `Question.prompt` where an image goes


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(Record):
    """One question of a benchmark or a training set, whatever file it came from."""

    id: str  # unique within its data set
    dataset: str
    prompt: str  # question and options in words, with one IMAGE_MARK per image; no instruction
    images: tuple[str, ...]  # paths relative to the folder of the file that holds this row
    options: tuple[str, ...] = ()  # option texts, letters A, B, ... by position; empty for a free answer
    gold: tuple[str, ...]  # accepted answers: one letter where there are options, else one or more texts
    cluster: str  # questions that share it are not independent (problem, base question)
    version: str = ""  # problem version (MathVerse), rotation (MMBench)
    category: str = ""
    origin: str = ""  # the data set's own note on where the item comes from (contamination)


Row = TypeVar("Row", bound=Record)


def read_rows(path: Path, kind: type[Row]) -> Iterator[Row]:
    """Rows of a JSON-lines file; a missing file or a broken row is a UserError with file, line, field and value."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; expected {kind.__name__} rows, one JSON object a line")
    with Path(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield kind.model_validate_json(line)
            except ValidationError as error:
                raise UserError(f"{path}, line {number}: {error}") from None


def write_rows(path: Path, rows: Iterable[Record]) -> None:
    """Write rows to `path` in one atomic move."""
    write_atomically(Path(path), (row.model_dump_json() + "\n" for row in rows))
