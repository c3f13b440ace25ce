r"""lmms-eval 0.7.3's reasoning variant, by which MathVerse is read: an answer in a block or a box, then math-verify."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from dreamr.scoring.formulas import bounded_text, quiet_math_verify
from dreamr.scoring.lmms_letters import (
    ANYWHERE,
    END,
    FORMS,
    LETTER_CHOICES,
    START,
    TRIMMED,
    LmmsGrade,
    decorated,
    phrased,
    trimmed,
)

THINK_TAGS = (("<think>", "</think>"), ("<analysis>", "</analysis>"))
_LOOSE_FORMS = (*FORMS, ("{}-", 1), ("{}_", 1), ("{}=", 1))
_LOOSE_PHRASES = (
    *("answer", "the option is", "option is", "the correct option is", "correct option is", "the choice is"),
    *("choice is", "the correct choice is", "correct choice is", "i choose", "i select", "i pick", "my choice is"),
    *("the answer", "correct answer", "the correct answer", "best answer", "the best answer", "my answer is"),
)
_NUMBERED = 8
RELAXED = 0.9


def reasoning(response: str, gold: Sequence[str] | None) -> LmmsGrade:
    """The reasoning variant's verdict: by letter, by text, by mathematics."""
    text = response.strip()
    answer = _without_stop(extract_answer(text).strip())
    correct = None if gold is None else any(_reasoning_match(answer, _without_stop(one)) for one in gold)
    return LmmsGrade(answer or None, correct, False)


def format_score(response: str) -> float:
    """1 for blocks of thinking and answer or a box; 0.8 for over 50 characters with mathematics and an answer."""
    text = response.strip()
    if any(_blocks(text, *tags) for tags in THINK_TAGS) or last_boxed(text):
        return 1.0
    mathematical = len(text) > 50 and re.search(r"[=+\-*/()\[\]\\]", text)
    return 0.8 if mathematical and extract_answer(text) else 0.0


def _blocks(text: str, opening: str, closing: str) -> bool:
    """Whether `text` is a thinking block, anything, and an answer block."""
    if not (text.startswith(opening) and text.endswith("</answer>")):
        return False
    _, closed, rest = text[len(opening) : -len("</answer>")].partition(closing)
    return bool(closed) and "<answer>" in rest


def extract_answer(text: str) -> str:
    """The first answer block, else the last box, else the last number that ends a line, else nothing."""
    _, opened, rest = text.partition("<answer>")
    inside, closed, _ = rest.partition("</answer>")
    if opened and closed:
        return inside
    return last_boxed(text) or next(filter(None, map(_number_at_end, reversed(text.strip().split("\n")))), "")


def last_boxed(text: str) -> str:
    r"""Content of the last closed `\boxed{`, braces balanced."""
    opened: list[int] = []
    closed_at = {}
    for place, character in enumerate(text):
        if character == "{":
            opened.append(place)
        elif character == "}" and opened:
            closed_at[opened.pop()] = place
    starts = [match.end() for match in re.finditer(r"\\boxed\{", text) if match.end() - 1 in closed_at]
    return text[starts[-1] : closed_at[starts[-1] - 1]] if starts else ""


def _number_at_end(line: str) -> str:
    bare = line.rstrip()
    bare = bare.removesuffix(".").rstrip()
    match = re.search(r"\b(\d+(?:\.\d+)?)$", bare)
    return match[1] if match else ""


def _without_stop(text: str) -> str:
    return text.removesuffix(".").strip()


def loose_letter(text: str) -> str:
    """The harness's letter in a gold or an answer: by priority of its form, of these the one furthest left."""
    if not text.strip():
        return ""
    padded = trimmed(text.strip(), TRIMMED)
    found = decorated(padded, LETTER_CHOICES, _LOOSE_FORMS)
    found += phrased(padded, LETTER_CHOICES, _LOOSE_PHRASES, skip=False)
    bare = padded.strip()
    for number, letter in enumerate(LETTER_CHOICES, 1):
        found += [(START, 0, letter)] if bare.startswith(letter) else []
        found += [(END, len(padded) - 1, letter)] if bare.endswith(letter) else []
        found += decorated(padded, letter, [(f"{number}. {{}}", _NUMBERED)])
    found = found or [(ANYWHERE, padded.rfind(letter), letter) for letter in LETTER_CHOICES if letter in padded]
    return max(found, key=lambda one: (one[0], -one[1]))[2] if found else ""


def _reasoning_match(answer: str, gold: str) -> bool:
    letter = loose_letter(gold)
    equal = loose_letter(answer) == letter if letter else _nearly_equal(answer, gold)
    return equal or _same_mathematics(answer, gold)


def _nearly_equal(answer: str, gold: str) -> bool:
    """Whether one contains the other and has at least nine tenths of its length, or they are equal but for blanks."""
    contained = answer in gold and len(answer) >= RELAXED * len(gold)
    contains = gold in answer and len(gold) >= RELAXED * len(answer)
    return contained or contains or answer.strip() == gold.strip()


def _same_mathematics(answer: str, gold: str) -> bool:
    """math-verify with its default settings; False where it fails."""
    if not (bounded_text(answer) and bounded_text(gold)):
        return False
    from math_verify import verify

    quiet_math_verify()
    try:
        return bool(verify(_parsed(gold), _parsed(answer), timeout_seconds=None))
    except Exception:  # the harness counts every failure of the library as a miss
        return False


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    from math_verify import parse

    return parse(text, parsing_timeout=None)
