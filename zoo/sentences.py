"""Texts of the micro world as a model family sees them, to train its tokenizer on."""

from collections.abc import Iterator

import numpy as np

from dreamr.data.loading import adapter
from dreamr.micro.rows import MAKERS
from dreamr.micro.steps import Style, canonical, rambling, terse
from dreamr.prompts import ALIGN, SCORE, STEP_BREAK, VERIFY, question_prompt
from dreamr.records import IMAGE_MARK

LARGEST_NUMBER = 45
VERDICTS = ("positive", "negative", "aligned", "unaligned")


def sentences(seed: int, rows: int = 300) -> Iterator[str]:
    """Questions, answers in both styles, requests, verdicts, and every number with and without a blank before it."""
    rng = np.random.default_rng(seed)
    for number in range(rows):
        for name, maker in MAKERS.items():
            for row, truths in maker(rng, "train", number):
                asked = adapter(name).questions(row, number, lambda image: "")
                for question, truth in zip(asked, truths, strict=True):
                    yield question_prompt(question, "").user.replace(IMAGE_MARK, "")
                    yield STEP_BREAK.join(terse(canonical(truth)))
                    yield STEP_BREAK.join(words for _, words in rambling(truth, Style(), rng))
    words = [VERIFY, SCORE, ALIGN, "user", "assistant", *VERDICTS, *map(str, range(LARGEST_NUMBER + 1))]
    yield from (before + word for word in words for before in ("", " ") for _ in range(30))
