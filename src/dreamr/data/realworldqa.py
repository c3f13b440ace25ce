"""RealWorldQA (xai-org/RealworldQA): everyday images; the answer is a letter, a word or a number.

    {"image": <image>, "question": "Which is ...?\n\nA. 12\nB. 17\nC. 15\n\nPlease answer directly with only the letter
     of the correct option and nothing else.", "answer": "B"}

The instruction that ends the question contradicts reasoning in steps, and is removed. Rows have no id: theirs is the
row number.
"""

import re
from collections.abc import Iterator
from typing import Any

from dreamr.components import Adapter
from dreamr.data.rows import Keep, column, image, option_lines
from dreamr.records import IMAGE_MARK, Question

NAME = "realworldqa"
ADAPTER = Adapter()
_INSTRUCTION = re.compile(r"\s*Please answer (?:the question )?(?:directly )?with [^\n]*$", re.IGNORECASE)
_OPTION = re.compile(r"^\s*([A-Z])[.)]\s+(.*)$")


def questions(row: dict[str, Any], number: int, keep: Keep) -> Iterator[Question]:
    text = _INSTRUCTION.sub("", column(NAME, number, row, "question", str).strip())
    lines = [line for line in text.splitlines() if line.strip()]
    options = tuple(match[2].strip() for line in lines if (match := _OPTION.match(line)))
    stem = [line.strip() for line in lines if not _OPTION.match(line)]
    yield Question(
        id=str(number),
        dataset=NAME,
        prompt=IMAGE_MARK + "\n".join([*stem, *option_lines(options)]),
        images=(keep(image(NAME, number, row, "image")),),
        options=options,
        gold=(column(NAME, number, row, "answer", str).strip(),),
        cluster=str(number),
    )
