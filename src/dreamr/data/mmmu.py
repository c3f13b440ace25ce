"""MMMU (MMMU/MMMU): college subjects, up to seven images, marked <image 1>, <image 2>, ... in question and options.

    {"id": "validation_Math_15", "question": "<image 1> What is ...?", "options": "['12', '17']", "answer": "B",
     "question_type": "multiple-choice", "image_1": <image>, "image_2": null, ..., "image_7": null, "explanation": "",
     "img_type": "['Diagrams']", "topic_difficulty": "Easy", "subfield": "Calculus"}

`options` is a Python list in a string; so are the golds of a few open questions. An image that no mark names comes
first.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

from dreamr.components import Adapter
from dreamr.data.rows import Keep, bad_value, column, image, option_lines
from dreamr.records import IMAGE_MARK, Question

NAME = "mmmu"
ADAPTER = Adapter()
_MARK = re.compile(r"<image (\d)>")


def questions(row: dict[str, Any], number: int, keep: Keep) -> Iterator[Question]:
    options = tuple(str(text) for text in literal_list(row, number, "options"))
    text = "\n".join([column(NAME, number, row, "question", str), *option_lines(options)])
    present = [k for k in range(1, 8) if row.get(f"image_{k}") is not None]
    marked = [int(k) for k in _MARK.findall(text)]
    order = [k for k in present if k not in marked] + marked
    if not present or not set(marked) <= set(present):
        raise bad_value(
            NAME, number, "image_1 ... image_7", present, f"the images {sorted(set(marked))} named in the text"
        )
    yield Question(
        id=column(NAME, number, row, "id", str),
        dataset=NAME,
        prompt=IMAGE_MARK * (len(order) - len(marked)) + _MARK.sub(IMAGE_MARK, text),
        images=tuple(keep(image(NAME, number, row, f"image_{k}")) for k in order),
        options=options,
        gold=gold(row, number),
        cluster=column(NAME, number, row, "id", str),
        category=str(row.get("subfield") or ""),
    )


def literal_list(row: dict[str, Any], number: int, name: str) -> list[Any]:
    """The Python list that column `name` holds as a string."""
    text = column(NAME, number, row, name, str)
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        value = None
    if not isinstance(value, list):
        raise bad_value(NAME, number, name, text, "a Python list in a string")
    return value


def gold(row: dict[str, Any], number: int) -> tuple[str, ...]:
    """Accepted answers: a letter, or one or more texts."""
    answer = column(NAME, number, row, "answer", str)
    if answer.startswith("[") and answer.endswith("]"):
        return tuple(str(text) for text in literal_list(row, number, "answer"))
    return (answer,)
