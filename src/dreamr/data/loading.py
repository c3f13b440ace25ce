"""From a published data set to checked questions, by the adapter that is its module in this room.

The first question of each micro data set as q3vl-2l reads it, with the tokens of its image and of the prompt:

    mathverse: 60 x 90 pixels, 6 of 76 tokens; gold A
      <image>The picture shows 1 9 / 7 1 / 0 0. What is the sum of the digits in row 1?
      A. 10
      B. 9
      C. 13
      D. 12
      Reason in short steps with a blank line after each. End with Answer: and the option letter.
    mmbench: 90 x 30 pixels, 3 of 61 tokens; gold A
      <image>What is the sum of the digits in row 1?
      A. 13
      B. 17
      C. 9
      D. 14
      Reason in short steps with a blank line after each. End with Answer: and the option letter.
    realworldqa: 60 x 90 pixels, 6 of 63 tokens; gold C
      <image>What is the largest of the digits on yellow?
      A. 9
      B. 12
      C. 8
      D. 13
      Reason in short steps with a blank line after each. End with Answer: and the option letter.
    mmmu: 90 x 30 pixels, 3 of 60 tokens; gold B
      <image>What is the sum of the digits on grey?
      A. 10
      B. 6
      C. 2
      D. 3
      Reason in short steps with a blank line after each. End with Answer: and the option letter.
    geometry3k: 90 x 90 pixels, 9 of 50 tokens; gold 16
      <image>What is the sum of the digits in row 3?
      Reason in short steps with a blank line after each. End with Answer: and the value.
    ocr_vqa: 60 x 30 pixels, 2 of 42 tokens; gold 7
      <image>What is the largest of the digits on yellow?
      Reason in short steps with a blank line after each. End with Answer: and the value.
    scienceqa: 60 x 30 pixels, 2 of 65 tokens; gold B
      <image>Look at the digits.
      What is the sum of the digits on yellow?
      A. 12
      B. 6
      C. 4
      D. 10
      Reason in short steps with a blank line after each. End with Answer: and the option letter.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dreamr import components
from dreamr.config import DataSpec
from dreamr.data.rows import SHOWN, Album, Place, bad_value
from dreamr.errors import UserError
from dreamr.records import IMAGE_MARK, Question

BATCH = 64  # rows in memory at once


def prepare_questions(name: str, spec: DataSpec, folder: Path) -> list[Question]:
    """The questions of data set `name`, checked; their images go to `folder`/images. What does not fit: UserError."""
    questions = load_questions(name, spec, folder)
    if not questions:
        raise UserError(f"{name}: {spec.path}, split {spec.split!r}, holds no question with an image")
    twice = [key for key, count in Counter(question.id for question in questions).items() if count > 1]
    if twice:
        raise UserError(f"{name}: ids must be unique; found more than once: {', '.join(twice[:5])}")
    for question in questions:
        check_question(question)
    return questions


def check_question(question: Question) -> None:
    """Stop where a question and its images, options or gold do not fit together."""
    marks = question.prompt.count(IMAGE_MARK)
    problems = {
        f"{marks} image marks for {len(question.images)} images": marks != len(question.images),
        "no image": not question.images,
        "no words in the prompt": not question.prompt.replace(IMAGE_MARK, "").strip(),
        f"gold {question.gold!r} is empty": not any(text.strip() for text in question.gold),
        f"a single option: {question.options!r}": len(question.options) == 1,
    }
    found = [problem for problem, present in problems.items() if present]
    if found:
        raise UserError(f"{question.dataset}, question {question.id}: {'; '.join(found)}")


def load_questions(name: str, spec: DataSpec, folder: Path) -> list[Question]:
    """The data set's questions, in its order, the first `spec.limit`; their images go to `folder`/images."""
    read, keep = adapter(spec.adapter).questions, Album(folder)
    kept: list[Question] = []
    for number, (row, place) in enumerate(_places(name, spec)):
        told = [place] if components.adapter(spec.adapter).columns else []
        kept += read(decoded(spec.adapter, number, row), number, keep, *told)
        if spec.limit is not None and len(kept) >= spec.limit:
            return kept[: spec.limit]
    return kept


def adapter(name: str) -> Any:
    """The adapter's module; its `questions(row, number, keep)` yields the questions of one row."""
    return components.ADAPTERS.load(name)


def _places(name: str, spec: DataSpec) -> Iterator[tuple[dict[str, Any], Place]]:
    """All rows, each with where it stands."""
    columns: dict[str, tuple[str, ...]] = {
        field: (one,) if isinstance(one, str) else one for field, one in spec.columns.items()
    }
    for source, rows in _sources(spec):
        for number, row in enumerate(rows, 1):
            yield row, Place(name, source, number, columns)


def _sources(spec: DataSpec) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """The rows of each local file, or of a data set of the hub, as plain values; images still as they are stored."""
    folder = Path(spec.path)
    if folder.is_dir() and not spec.files:
        held = sorted(path.name for path in folder.iterdir())
        raise UserError(f"{folder}: no file {spec.split or ''}*.parquet, .jsonl or .csv; it holds {held}")
    for file in spec.files:
        yield str(file), READERS[file.suffix](file)
    if not spec.files:
        told = f"no folder {spec.path} here; as a data set of the hub, {spec.path}, split {spec.split!r}"
        yield spec.path, _batches(told, spec.path, spec.config, split=spec.split, revision=spec.revision)


def _batches(told: str, *source: Any, **options: Any) -> Iterator[dict[str, Any]]:
    """The rows that `datasets` reads; what it cannot read is a UserError that begins with `told`."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    try:
        split = load_dataset(*source, **options)
    except (DatasetsError, ValueError, OSError) as error:
        raise UserError(
            f"{told}: cannot be read ({type(error).__name__}: {error.__cause__ or error}). "
            "Is it empty or damaged, do config, split and revision exist, is there a network where it is the hub's?"
        ) from error
    for batch in split.with_format("arrow").iter(BATCH):
        yield from batch.to_pylist()


def _parquet(file: Path) -> Iterator[dict[str, Any]]:
    return _batches(str(file), "parquet", data_files=str(file), split="train")


def _json_lines(file: Path) -> Iterator[dict[str, Any]]:
    """One object a line; blank lines are passed over. What only some lines name is None in the others."""
    lines = enumerate(file.read_text(encoding="utf-8-sig").split("\n"), 1)
    rows = [_object(f"{file}, line {number}", line) for number, line in lines if line.strip()]
    names = {name: None for row in rows for name in row}
    yield from (names | row for row in rows)


def _object(place: str, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise UserError(f"{place}: no JSON: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{place}: found {line[:SHOWN]}, expected an object, {{...}}")
    return found


def _commas(file: Path) -> Iterator[dict[str, Any]]:
    """A header, then one row a line; every cell is a text, as it stands there."""
    from pandas import read_csv
    from pandas.errors import EmptyDataError, ParserError

    try:
        table = read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (EmptyDataError, ParserError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: no CSV with a header: {error}") from None
    yield from table.to_dict("records")


READERS = {".parquet": _parquet, ".jsonl": _json_lines, ".csv": _commas}  # by the end of a file's name


def decoded(data_set: str, number: int, row: dict[str, Any]) -> dict[str, Any]:
    """A row with every image in it decoded, whether or not the file still says which columns hold images."""
    return {column: _decoded(data_set, number, column, value) for column, value in row.items()}


def _decoded(data_set: str, number: int, column: str, value: Any) -> Any:
    from datasets import Image

    if isinstance(value, list):
        return [_decoded(data_set, number, column, each) for each in value]
    if not isinstance(value, dict) or value.keys() != {"bytes", "path"}:
        return value
    try:
        return Image().decode_example(value)
    except (OSError, ValueError) as error:
        raise bad_value(data_set, number, column, value["bytes"] or value["path"], f"an image ({error})") from error
