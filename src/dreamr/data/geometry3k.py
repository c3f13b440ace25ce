"""Geometry3K (hiyouga/geometry3k): geometry problems with a value as answer, in newer revisions also with choices.

    {"images": [<image>], "problem": "<image>Find x.", "answer": "12", "id": 17, "choices": ["12", "15"],
     "ground_truth": "A"}

The answer is asked for as a value; `choices` and `ground_truth` are not used. `problem` holds a literal image mark.
"""

from collections.abc import Iterator
from typing import Any

from PIL.Image import Image

from dreamr.components import Adapter
from dreamr.data.rows import Keep, bad_value, column
from dreamr.records import IMAGE_MARK, Question

NAME = "geometry3k"
ADAPTER = Adapter()


def questions(row: dict[str, Any], number: int, keep: Keep) -> Iterator[Question]:
    images = column(NAME, number, row, "images", list)
    if not all(isinstance(each, Image) for each in images):
        raise bad_value(NAME, number, "images", images, "a list of images")
    problem = column(NAME, number, row, "problem", str)
    if problem.count(IMAGE_MARK) not in (0, len(images)):
        raise bad_value(NAME, number, "problem", problem, f"one {IMAGE_MARK} for each of {len(images)} images")
    prompt = problem if IMAGE_MARK in problem else IMAGE_MARK * len(images) + problem
    name = str(row.get("id", number))
    yield Question(
        id=name,
        dataset=NAME,
        prompt=prompt,
        images=tuple(keep(each) for each in images),
        gold=(column(NAME, number, row, "answer", str).strip(),),
        cluster=name,
    )
