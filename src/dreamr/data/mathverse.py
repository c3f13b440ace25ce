"""MathVerse (AI4Math/MathVerse): each problem in five versions that move its text into the image.

    {"sample_index": "7", "problem_index": "2", "problem_version": "Text Lite", "image": <image>,
     "question": "What is the sum of row 2?\nChoices:\nA:12\nB:17", "answer": "B", "question_type": "multi-choice",
     "metadata": {"split": "testmini", "source": "GeoQA", "subject": "Plane Geometry", "subfield": "Angle"},
     "query_wo": "...", "query_cot": "...", "question_for_eval": "..."}

Options are lines of the question text. Golds are not clean: letters in brackets, several letters, units, blanks. Of the
Vision Only version the question is in the image, and `query_cot` is what a model reads. Where its options are in the
image too, `question_for_eval` tells them to the scorer; older copies of the data set lack that column.
"""

import re
from collections.abc import Iterator
from typing import Any

from dreamr.components import Adapter
from dreamr.data.rows import Keep, column, image, option_lines, text_or_none
from dreamr.records import IMAGE_MARK, Question

NAME = "mathverse"
ADAPTER = Adapter(per_cluster=5, repeated="versions")
_OPTION = re.compile(r"^\s*\(?([A-Z])\)?\s*[:.]\s*(.*)$")


def questions(row: dict[str, Any], number: int, keep: Keep) -> Iterator[Question]:
    version = column(NAME, number, row, "problem_version", str)
    source = "query_cot" if version == "Vision Only" else "question"
    stem, printed = split_choices(column(NAME, number, row, source, str))
    options = printed or (image_options(row) if version == "Vision Only" else ())
    kind = column(NAME, number, row, "question_type", str, ("multi-choice", "free-form"))
    metadata = column(NAME, number, row, "metadata", dict)
    answer = column(NAME, number, row, "answer", str)
    yield Question(
        id=str(column(NAME, number, row, "sample_index", str)),
        dataset=NAME,
        prompt="\n".join([IMAGE_MARK + stem, *option_lines(printed)]),
        images=(keep(image(NAME, number, row, "image")),),
        options=options,
        gold=gold(answer, multi_choice=kind == "multi-choice"),
        cluster=str(column(NAME, number, row, "problem_index", str)),
        version=version,
        category=str(metadata.get("subject") or ""),
        origin=str(metadata.get("source") or ""),
    )


def image_options(row: dict[str, Any]) -> tuple[str, ...]:
    """The options of a question that stands in the image, as told to whoever grades it."""
    return split_choices(text_or_none(row.get("question_for_eval")) or "")[1]


def split_choices(text: str) -> tuple[str, tuple[str, ...]]:
    """The stem of a question and the texts of its options."""
    stem, _, tail = text.partition("Choices:")
    matches = [match for line in tail.splitlines() if (match := _OPTION.match(line))]
    return stem.strip(), tuple(match[2].strip() for match in matches)


def gold(answer: str, multi_choice: bool) -> tuple[str, ...]:
    """Accepted answers: every letter named by a multi-choice gold ("(C)", "C\\nD"), else the text without "$=...$"."""
    if multi_choice and (letters := re.findall(r"\b[A-Z]\b", answer)):
        return tuple(letters)
    text = answer.strip()
    inner = text[1:-1] if len(text) > 1 and text[0] == text[-1] == "$" else text
    return (inner.removeprefix("=").strip() or text,)
