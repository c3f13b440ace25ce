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

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dreamr import components
from dreamr.config import DataSpec
from dreamr.data.rows import Album, bad_value
from dreamr.errors import UserError
from dreamr.records import IMAGE_MARK, Question

BATCH = 64  # rows in memory at once


def prepare_questions(name: str, spec: DataSpec, folder: Path) -> list[Question]:
    """The questions of data set `name`, checked; their images go to `folder`/images. What does not fit: UserError."""
    questions = load_questions(spec, folder)
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


def load_questions(spec: DataSpec, folder: Path) -> list[Question]:
    """The data set's questions, in its order, the first `spec.limit`; their images go to `folder`/images."""
    read, keep = adapter(spec.adapter).questions, Album(folder)
    kept: list[Question] = []
    for number, row in enumerate(_rows(spec)):
        kept += read(decoded(spec.adapter, number, row), number, keep)
        if spec.limit is not None and len(kept) >= spec.limit:
            return kept[: spec.limit]
    return kept


def adapter(name: str) -> Any:
    """The adapter's module; its `questions(row, number, keep)` yields the questions of one row."""
    return components.ADAPTERS.load(name)


def _rows(spec: DataSpec) -> Iterator[dict[str, Any]]:
    """All rows of one split as plain values, images still as they are stored: bytes and path."""
    for batch in _split(spec).with_format("arrow").iter(BATCH):
        yield from batch.to_pylist()


def _split(spec: DataSpec) -> Any:
    """One split, from a local folder of parquet files or from the hub."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    folder = Path(spec.path)
    files = sorted(str(file) for file in folder.glob(f"{spec.split}*.parquet"))
    if folder.is_dir() and not files:
        raise UserError(f"{folder}: no file {spec.split}*.parquet; it holds {sorted(p.name for p in folder.iterdir())}")
    try:
        if files:
            return load_dataset("parquet", data_files={spec.split: files}, split=spec.split)
        return load_dataset(spec.path, spec.config, split=spec.split, revision=spec.revision)
    except (DatasetsError, ValueError, OSError) as error:
        source = spec.path if folder.is_dir() else f"no folder {spec.path} here; as a data set of the hub, {spec.path}"
        raise UserError(
            f"{source}, split {spec.split!r}: cannot be read ({type(error).__name__}: {error.__cause__ or error}). "
            "Is it empty or damaged, do config, split and revision exist, is there a network where it is the hub's?"
        ) from error


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
