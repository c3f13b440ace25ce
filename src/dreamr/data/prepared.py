"""Data sets as `cli.prepare` leaves them: <folder>/<name>.jsonl, images beside them."""

from collections.abc import Iterable
from pathlib import Path

from dreamr.records import Question, read_rows


def prepared_questions(folder: Path, names: Iterable[str]) -> dict[tuple[str, str], Question]:
    """The questions of several data sets by data set and id."""
    return {(name, row.id): row for name in sorted(names) for row in read_rows(folder / f"{name}.jsonl", Question)}
