"""ScienceQA (derek-thomas/ScienceQA): school questions with choices, about half of them with an image.

    {"image": <image>, "question": "Which ...?", "choices": ["12", "17"], "answer": 1, "hint": "",
     "task": "closed choice", "grade": "grade4", "subject": "natural science", "topic": "", "category": "", "skill": "",
     "lecture": "", "solution": ""}

`answer` is an index into `choices`. Rows without an image yield no question: the method is about images. Rows
have no id: theirs is the row number.
"""

from collections.abc import Iterator
from typing import Any

from dreamr.components import Adapter
from dreamr.data.rows import LETTERS, Keep, column, image, option_lines
from dreamr.records import IMAGE_MARK, Question

NAME = "scienceqa"
ADAPTER = Adapter()


def questions(row: dict[str, Any], number: int, keep: Keep) -> Iterator[Question]:
    if row.get("image") is None:
        return
    options = tuple(column(NAME, number, row, "choices", list))
    answer = column(NAME, number, row, "answer", int, tuple(range(len(options))))
    hint = (row.get("hint") or "").strip()
    lines = [*([hint] if hint else []), column(NAME, number, row, "question", str), *option_lines(options)]
    yield Question(
        id=str(number),
        dataset=NAME,
        prompt=IMAGE_MARK + "\n".join(lines),
        images=(keep(image(NAME, number, row, "image")),),
        options=options,
        gold=(LETTERS[answer],),
        cluster=str(number),
        category=str(row.get("subject") or ""),
    )
