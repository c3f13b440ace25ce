r"""Our scorer: from a response to a verdict. Offline, deterministic, without random draws.

The thinking block is removed; one that never closes is no answer. The answer is what the response marks as its answer:
the last answer tag, `\boxed{...}` or answer line, else the last phrase like "the answer is B", else what its last
paragraph concludes; an answer that is taken back ("B. Wait, actually C") gives way to the one that follows. A response
that marks nothing readable, two candidates ("B or C", two boxes) or a letter beside the text of another option is
unresolved, which counts as wrong. Letters are compared
by equality, free answers by `values.same_answer`. The reward of SAPO is this verdict.
"""

import re
from typing import NamedTuple

from dreamr.records import Question
from dreamr.scoring.choices import LETTERS, gold_letter, letters_in, only, read_choice
from dreamr.scoring.marks import (
    BOXED,
    LENGTH,
    REFUSAL,
    THINK_OPEN,
    boxed,
    marked_answers,
    phrased_answers,
    without_thinking,
)
from dreamr.scoring.quantities import quantity
from dreamr.scoring.values import canonical, same_answer


class Grade(NamedTuple):
    parsed: str | None  # the letter or text that was read
    correct: bool
    unresolved: bool  # nothing could be read


def grade(question: Question, text: str, complete: bool = True, thinking: bool = False) -> Grade:
    """Whether `text` answers `question`. Never raises; takes <= 1 ms where the answer is a letter or a number.

    Where the token budget cut the text (`complete` false) only a marked answer counts: the last words of a reasoning
    that was cut conclude nothing. Nothing at all counts where it was cut within a block that the chat template opened
    (`thinking`); a run that ended by itself ended at its answer, wherever that stood.
    """
    opened = THINK_OPEN if thinking and not complete else ""
    return verdict(opened + text, question.options, question.gold, complete)


def verdict(text: str, options: tuple[str, ...], gold: tuple[str, ...], complete: bool = True) -> Grade:
    """As `grade`: `gold` are accepted answers, letters where there are `options`."""
    answer = without_thinking(text)
    if answer is None or not (complete or marked_answers(answer)):
        return Grade(None, False, True)
    if not options:
        return _free_verdict(answer, gold)
    letters = {letter for text in gold if (letter := gold_letter(text, options))}
    parsed = read_choice(answer, options, several=len(letters) > 1)
    correct = parsed is not None and set(parsed.split(", ")) <= letters
    return Grade(parsed, correct, parsed is None)


def _free_verdict(text: str, gold: tuple[str, ...]) -> Grade:
    content = read_free(text)
    if content is None:
        return Grade(None, False, True)
    correct = any(same_answer(content, accepted) or _same_letter(content, accepted) for accepted in gold)
    return Grade(canonical(content) or content, correct, False)


def read_free(text: str) -> str | None:
    """The free answer that a response without thinking gives."""
    for content in marked_answers(text)[:1] + phrased_answers(text)[:1]:
        box = BOXED.search(content)
        inner = boxed(content, box.end()) if box else None
        return None if REFUSAL.search(content) else content if inner is None else inner
    return None if REFUSAL.search(text[-LENGTH:]) else _concluded_value(text)


def _same_letter(content: str, gold: str) -> bool:
    """A gold that is a letter, of an option or a point in the image: "B. 17", "(B)" and "point B" answer "B"."""
    text, letter = canonical(content), canonical(gold).strip("()")
    if len(letter) != 1 or letter not in LETTERS:
        return False
    leading = re.match(r"(?:option |choice )?\(?([A-J])(?:[).:]|$)", text)
    return leading[1] == letter if leading else len(text.split()) <= 4 and only(letters_in(text, LETTERS)) == letter


def _concluded_value(text: str) -> str | None:
    """What an unmarked response says: all of it where it is short, else the end of its last sentence."""
    whole = canonical(text) if len(text) <= LENGTH else ""
    if whole and (len(whole.split()) <= 12 or quantity(whole)) and "\n\n" not in text:
        return text.strip()
    last = text.rstrip().rpartition("\n")[2][-LENGTH:]
    sentence = re.split(r"(?<=[.!?])\s+(?=[A-Z*$\\])", last.strip())[-1]
    bold = re.findall(r"\*\*([^*\n]+)\*\*", sentence)
    tail = re.split(r"=|≈|\b(?:is|are|equals|be|gives|get)\b", sentence)
    content = bold[-1] if bold else tail[-1] if len(tail) > 1 else ""
    return content.strip() if canonical(content) else None
