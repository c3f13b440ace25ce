"""How lmms-eval 0.7.3 finds a letter in a response: the extractors that several of its tasks share."""

import string
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

LETTERS = string.ascii_uppercase
LETTER_CHOICES = tuple("ABCDEFGH")
TRIMMED = ",.!?;:'\""


class LmmsGrade(NamedTuple):
    parsed: Any  # letter, text, list of candidates, or None
    correct: bool | None  # None: no gold, or no deterministic verdict
    unresolved: bool  # the harness would draw or ask a judge


def trimmed(text: str, characters: str) -> str:
    """One character class after another off both ends, then one blank on each side."""
    for character in characters:
        text = text.strip(character)
    return f" {text} "


PHRASES = (
    *("the answer is", "answer is", "the correct answer is", "correct answer is", "the best answer is"),
    *("best answer is", "the correct option is", "correct option is", "the best option is", "best option is"),
    *("the choice is", "choice is", "the correct choice is", "correct choice is", "i choose", "i select", "i pick"),
    *("my answer is", "my choice is", "옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは"),
)
FORMS = (("({})", 6), ("{}.", 5), ("{}:", 4), ("{})", 3), ("{} ", 2))
START, END, PHRASE, ANYWHERE = 10, 9, 7, 0


def extract_letter(response: str, choices: Sequence[str] = LETTER_CHOICES) -> str | None:
    """The letter of the form with the highest priority, of these the one furthest right."""
    choices = choices or LETTER_CHOICES
    if not response.strip():
        return None
    text = trimmed(response.strip(), TRIMMED)
    found = decorated(text, choices, FORMS) + phrased(text, choices, PHRASES, skip=True)
    bare = text.strip()
    for letter in choices:
        if bare.startswith(letter) and not bare[1:2].isalpha():
            found.append((START, 0, letter))
        if bare.endswith(letter) and (len(bare) == 1 or not bare[-2].isalpha()):
            found.append((END, len(text) - 1, letter))
    found = found or [(ANYWHERE, text.rfind(letter), letter) for letter in choices if letter in text]
    return max(found, key=lambda one: one[:2])[2] if found else None


def decorated(text: str, choices: Sequence[str], forms: Iterable[tuple[str, int]]) -> list[tuple[int, int, str]]:
    """(priority, last place, letter) of each letter in each form."""
    places = ((priority, text.rfind(form.format(letter)), letter) for form, priority in forms for letter in choices)
    return [one for one in places if one[1] >= 0]


def phrased(text: str, choices: Sequence[str], phrases: Iterable[str], skip: bool) -> list[tuple[int, int, str]]:
    """First occurrence of each letter from the first occurrence of each phrase on, behind it where `skip`."""
    lower, found = text.lower(), []
    for phrase in phrases:
        start = lower.find(phrase)
        if start >= 0:
            after = start + len(phrase) if skip else start
            found += [(PHRASE, text.find(letter, after), letter) for letter in choices]
    return [one for one in found if one[1] >= 0]
