"""MMBench (lmms-lab/MMBench, config en): multiple choice, each question in up to four rotations of its options.

    {"index": 1000241, "question": "Which letter ...?", "hint": null, "answer": "B", "A": "12", "B": "17", "C": null,
     "D": "nan", "category": "identity_reasoning", "image": <image>, "source": "scienceqa", "L2-category": "...",
     "comment": null, "split": "dev"}

Rotation k of a question has index base + k * 1,000,000. A missing option or hint is null, "" or "nan".
"""

from collections.abc import Iterator
from typing import Any

from dreamr.components import Adapter
from dreamr.data.rows import Keep, column, image, option_lines, text_or_none
from dreamr.records import IMAGE_MARK, Question

NAME = "mmbench"
ADAPTER = Adapter(per_cluster=4, repeated="rotations")
ROTATION = 1_000_000


def questions(row: dict[str, Any], number: int, keep: Keep) -> Iterator[Question]:
    index = int(column(NAME, number, row, "index", (int, str)))
    texts = [text_or_none(row.get(letter)) for letter in "ABCD"]
    options = tuple(text for text in texts if text is not None)
    hint = text_or_none(row.get("hint"))
    stem = column(NAME, number, row, "question", str)
    lines = [*([hint] if hint else []), stem, *option_lines(options)]
    yield Question(
        id=str(index),
        dataset=NAME,
        prompt=IMAGE_MARK + "\n".join(lines),
        images=(keep(image(NAME, number, row, "image")),),
        options=options,
        gold=(column(NAME, number, row, "answer", str, tuple("ABCD"[: len(options)])),),
        cluster=str(index % ROTATION),
        version=f"rotation {index // ROTATION}",
        category=text_or_none(row.get("category")) or "",
        origin=text_or_none(row.get("source")) or "",
    )
