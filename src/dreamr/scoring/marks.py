"""Where a response marks its answer: behind thinking, in answer tags, boxes, answer lines and telling phrases."""

import re

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
MARKS = 8  # how many marked answers are looked at, from the last back
LENGTH = 300  # characters of one marked answer

_TAG = re.compile(r"<answer>", re.I)
BOXED = re.compile(r"\\f?boxed\s*\{")
_LINE = re.compile(
    r"\b(?:answer|ans)\b(?:\s+is)?[*_\s]{0,6}(?:[:：]|\n)[*_\s]*|\b(?:option|choice)\s*:\s*|(?:答案|故选)[是为：:\s]*",
    re.I,
)
_PHRASE = re.compile(
    r"\b(?:answer|result|conclusion|(?:correct|right|best|final) (?:option|choice|value|statement|one|letter))\b"
    r"[^.\n:=]{0,50}?(?:\b(?:is|are|be|becomes|equals)\b|'s|=|:)(?!\s*(?:not|neither)\b)[\s:*_]*",
    re.I,
)
REFUSAL = re.compile(
    r"\b(?:cannot|can't|can not|could not|unable|not enough|insufficient|impossible|unclear|neither|no option|not sure|"
    r"unsure|don't know)\b",
    re.I,
)


def without_thinking(text: str) -> str | None:
    """What follows or surrounds closed thinking blocks; None where one never closes.

    A closing tag alone belongs to a block that the chat template opened.
    """
    kept, rest = "", text
    while THINK_OPEN in rest:
        before, _, inside = rest.partition(THINK_OPEN)
        _, close, rest = inside.partition(THINK_CLOSE)
        if not close:
            return None
        kept += before
    return (kept + rest).rpartition(THINK_CLOSE)[2].strip()


def marked_answers(text: str) -> list[str]:
    """Contents of answer tags, boxes and answer lines, the last one first."""
    found = [(match.start(), _tag_content(text, match.end())) for match in _TAG.finditer(text)]
    found += [(match.start(), box) for match in BOXED.finditer(text) if (box := boxed(text, match.end())) is not None]
    found += [(match.start(), _rest_of_line(text, match.end())) for match in _LINE.finditer(text)]
    return [content for _, content in sorted(found, reverse=True)[:MARKS] if content.strip(" *_$.")]


def phrased_answers(text: str) -> list[str]:
    """What follows phrases like "the answer is", the last one first."""
    ends = [match.end() for match in _PHRASE.finditer(text)]
    return [content for end in reversed(ends[-MARKS:]) if (content := _rest_of_line(text, end))]


def boxed(text: str, start: int) -> str | None:
    """The text from `start` to the brace that closes it; None where none does within LENGTH characters."""
    depth = 1
    for place in range(start, min(len(text), start + LENGTH)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    return None


def _tag_content(text: str, start: int) -> str:
    return re.split(r"</?answer>", text[start : start + LENGTH], maxsplit=1, flags=re.I)[0].strip()


def _rest_of_line(text: str, start: int) -> str:
    return text[start : start + LENGTH].partition("\n")[0].strip()
