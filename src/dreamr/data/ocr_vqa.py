"""OCR-VQA (howard-hou/OCR-VQA): one image and several questions about it a row.

    {"image": <image>, "image_id": "1588", "questions": ["How many ...?", "Is ...?"], "answers": ["3", "Yes"],
     "ocr_tokens": [], "ocr_info": [], "title": "", "authorName": "", "genre": "", "image_width": 90,
     "image_height": 60, "image_url": "", "set_name": "train"}

Questions about one image share a cluster.
"""

from collections.abc import Iterator
from typing import Any

from dreamr.components import Adapter
from dreamr.data.rows import Keep, bad_value, column, image
from dreamr.records import IMAGE_MARK, Question

NAME = "ocr_vqa"
ADAPTER = Adapter()


def questions(row: dict[str, Any], number: int, keep: Keep) -> Iterator[Question]:
    asked = column(NAME, number, row, "questions", list)
    answers = column(NAME, number, row, "answers", list)
    if len(asked) != len(answers):
        raise bad_value(NAME, number, "answers", answers, f"one answer for each of {len(asked)} questions")
    name = column(NAME, number, row, "image_id", str)
    shown = keep(image(NAME, number, row, "image"))
    for k, (question, answer) in enumerate(zip(asked, answers, strict=True)):
        yield Question(
            id=f"{name}-{k}",
            dataset=NAME,
            prompt=IMAGE_MARK + question,
            images=(shown,),
            gold=(str(answer).strip(),),
            cluster=name,
            category=str(row.get("genre") or ""),
        )
