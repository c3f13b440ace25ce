"""What a reasoning step is in a text: where it ends, which one answers, what counts as the same.

A step ends at a blank line (as in SpecReason and Lookahead Reasoning). Its text is kept verbatim, so that the steps of
an answer, put together again, are the answer. A step that reaches the cap on its tokens has no blank line behind it:
the next one goes on in the middle of the sentence.
"""

import re

from dreamr.prompts import ANSWER_MARK, STEP_BREAK

_TAGS = re.compile(r"</?think>")
_MARKUP = r"[ \t>*_#]*"
# "Answer: B", "**Final answer:** 12"; a line with the mark and nothing behind it answers nothing.
_ANSWER_LINE = re.compile(
    rf"^{_MARKUP}(?:final +)?{re.escape(ANSWER_MARK[:-1])}{_MARKUP}:{_MARKUP}[^\s*_][^\n]*",
    re.MULTILINE | re.IGNORECASE,
)


def split(text: str) -> tuple[str, ...]:
    """The steps of `text`; the blank line that ends a step belongs to none."""
    parts = text.split(STEP_BREAK)
    return tuple(parts if parts[-1].strip() else parts[:-1])


def single_steps(text: str) -> list[str]:
    """The steps that were written, judged and committed as one; mostly one."""
    return text.split(STEP_BREAK)


def through_answer(text: str, whole: bool = True) -> str | None:
    """`text` up to the end of its first answer line; None without one.

    `whole` is false for a text that may go on in its last line: an answer cut in two is not yet an answer.
    """
    found = _ANSWER_LINE.search(text)
    if found is None or (not whole and found.end() == len(text)):
        return None
    return text[: found.end()]


def without_tags(text: str) -> str:
    """`text` without the tags of a thinking block."""
    return _TAGS.sub("", text)


def is_blank(text: str) -> bool:
    """Whether a step says nothing. Such a draft step is never accepted, and no verdict is asked for."""
    return not text.strip()


def same(one: str, other: str) -> bool:
    """Equal but for blanks and case (the shortcut of Lookahead Reasoning's judge)."""
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()
