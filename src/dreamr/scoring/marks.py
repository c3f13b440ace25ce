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
_CORRECTION = re.compile(  # "B. Wait, actually C", "B? No, C", "6. Sorry, I mean 8"
    r"(?:\b(?:wait|actually|sorry|oops|correction|scratch that|i mean)\b|\?\s+no\b)[\s,:;.!*_—-]{0,12}"
    r"(?:[^\n]{0,120}?\b(?:so|hence|thus|therefore)\b[\s,:]*)?"
    r"(?:(?:actually|i mean|it is|it's|it should be|make that|rather|(?:the )?(?:correct )?answer (?:is|should be))\b"
    r"[\s,:]*){0,3}(?=[*_($\s]{0,4}(?:(?-i:[A-Z])[*_)\s]{0,4}(?:[.,;:!\n]|$)|[-+]?\d|\\(?:frac|sqrt|boxed)))",
    re.I,
)
_JOINT = re.compile(r"(?:[\s$,;{}\\]|\b(?:text|quad|or|and)\b|\b[a-zA-Z]\s*=){0,40}")  # between boxes of one answer
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
    found += _boxes(text)
    found += [(match.start(), _rest_of_line(text, match.end())) for match in _LINE.finditer(text)]
    found += corrections(text, min(found)[0]) if found else []
    return [content for _, content in sorted(found, reverse=True)[:MARKS] if content.strip(" *_$.")]


def phrased_answers(text: str) -> list[str]:
    """What follows phrases like "the answer is", the last one first."""
    found = [(match.end(), _rest_of_line(text, match.end())) for match in _PHRASE.finditer(text)]
    found += corrections(text, found[0][0]) if found else []
    return [content for _, content in sorted(found, reverse=True)[:MARKS] if content]


def _boxes(text: str) -> list[tuple[int, str]]:
    """Where boxes are and what they hold: one content for "\\boxed{3} or \\boxed{5}"."""
    found: list[tuple[int, str]] = []
    end = 0
    for match in list(BOXED.finditer(text))[-2 * MARKS :]:
        content = boxed(text, match.end())
        if content is None:
            continue
        if found and content != found[-1][1] and end <= match.start() and _JOINT.fullmatch(text, end, match.start()):
            found[-1] = found[-1][0], f"{found[-1][1]} or {content}"
        else:
            found.append((match.start(), content))
        end = match.end() + len(content) + 1
    return found


def corrections(text: str, start: int = 0) -> list[tuple[int, str]]:
    """Where behind `start`, the place of a first answer, an answer is taken back, and what is given instead."""
    near = max(start, len(text) - 10 * LENGTH)
    return [(match.start(), _rest_of_line(text, match.end())) for match in _CORRECTION.finditer(text, near)]


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
