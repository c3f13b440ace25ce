r"""Verdicts by the rules of a published harness, lmms-eval 0.7.3, for comparison with published numbers.

Written anew from the behaviour of that version; quirks are kept on purpose, since they move published scores by points.
Where the harness draws a random option or asks a remote judge, the verdict is unresolved instead. One departure: the
formulas beyond the bounds of `formulas.bounded_text` are not compared, because the harness waits seconds for them.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from dreamr.records import Question
from dreamr.scoring.lmms_letters import LETTERS, LmmsGrade, extract_letter, trimmed
from dreamr.scoring.lmms_reasoning import THINK_TAGS, reasoning

API_FAILURE = "Failed to obtain answer via API"
ROTATION = 1_000_000

Options = Sequence[str | None]
Candidate = str | float


def grade(question: Question, text: str) -> LmmsGrade:
    """The verdict of the task that reads `question.dataset`; unresolved where the harness has no offline rule.

    MMBench: the static task's row rule. MathVerse: the reasoning variant, which needs no judge.
    """
    response, options, gold = strip_thinking(text), question.options, question.gold
    rules: dict[str, Callable[[], LmmsGrade]] = {
        "mmmu": lambda: mmmu_choice(response, options, gold) if options else mmmu_open(response, gold),
        "mmbench": lambda: mmbench_static_row(response, options, gold),
        "realworldqa": lambda: realworldqa(response, gold),
        "mathverse": lambda: reasoning(response, gold),
    }
    return rules[question.dataset]() if question.dataset in rules else LmmsGrade(None, None, True)


def strip_thinking(text: str, tags: Iterable[tuple[str, str]] = THINK_TAGS) -> str:
    """`text` without closed blocks; with a closing tag alone, what follows the last one. An open block stays."""
    for opening, closing in tags:
        while opening in text and closing in text:
            start = text.find(opening)
            end = text.find(closing, start)
            if end < 0:
                break
            text = text[:start] + text[end + len(closing) :]
        if closing in text and opening not in text:
            text = text.rpartition(closing)[2]
    return text.strip()


# -- MMMU --------------------------------------------------------------------------------------------


def mmmu_choice(response: str, options: Sequence[str], gold: Sequence[str] | None) -> LmmsGrade:
    """MMMU, multiple choice: the letter that the response names; unresolved where the harness draws one."""
    letter = _mmmu_letter(response, options)
    if letter is None:
        return LmmsGrade(None, None, True)
    return LmmsGrade(letter, None if gold is None else letter in gold, False)


def _mmmu_letter(response: str, options: Sequence[str]) -> str | None:
    """The letter that the response names, None where the harness draws one."""
    text, letters = trimmed(response, ",.!?;:'"), LETTERS[: len(options)]
    for form, place in (("({})", "({})"), ("{} ", " {} "), ("{}.", " {} ")):
        found = [letter for letter in letters if form.format(letter) in text]
        if found:
            return _rightmost(found, [text.rfind(place.format(letter)) for letter in found])
    if len(text.split()) <= 5:
        return None
    lower = text.lower()
    named = [
        (letter, option.lower()) for letter, option in zip(letters, options, strict=True) if option.lower() in lower
    ]
    return _rightmost([letter for letter, _ in named], [lower.rfind(words) for _, words in named])


def _rightmost(letters: list[str], places: list[int]) -> str | None:
    """The letter at the largest place, the first of equals."""
    return letters[places.index(max(places))] if letters else None


_KEYS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
)


def mmmu_open(response: str, gold: Sequence[str] | None) -> LmmsGrade:
    """MMMU, open: whether a candidate answer in the response contains or equals a gold."""
    candidates = mmmu_candidates(response)
    shown = [one if isinstance(one, str) or isfinite(one) else str(one) for one in candidates]
    return LmmsGrade(shown, None if gold is None else _matches(candidates, gold), False)


def mmmu_candidates(response: str) -> list[Candidate]:
    """Normalised answers in an open response: tails behind key words and the numbers in them."""
    tails = _tails(response)
    numbers = [number for tail in tails for pattern in _NUMBERS for number in pattern.findall(_short_runs(tail))]
    return list(dict.fromkeys(value for text in tails + numbers for value in _normalised(text)))


def _tails(response: str) -> list[str]:
    """The shortest tail behind a key word in each line; the whole text where no line has one."""
    text = response.strip().strip(".").lower()
    lines, tails = text.split("\n"), []
    for number, line in enumerate(lines):
        keys = (*_KEYS, "=") if number == len(lines) - 1 else _KEYS
        shortest = ""
        for key in keys:
            tail = line.rpartition(key)[2].strip()
            if key in line and (not shortest or len(tail) < len(shortest)):
                shortest = tail
        if shortest and shortest not in tuple(":,.!?;'"):
            tails.append(shortest)
    return tails or [text]


def _short_runs(text: str) -> str:
    """`text` without digit runs of over a hundred characters, on which the number patterns take quadratic time."""
    return re.sub(r"[\d.,]{100,}", " ", text)


def _normalised(text: str) -> list[Candidate]:
    """A float rounded to two decimals, else lower case; a single character gets a blank before and one behind."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        lower = text.lower()
        return [f" {lower}", f"{lower} "] if len(lower) == 1 else [lower]


def _matches(candidates: Sequence[Candidate], gold: Sequence[str]) -> bool:
    """Whether a text candidate contains a text gold or a number candidate equals a number gold."""
    accepted = [value for text in gold for value in _normalised(text)]
    words = [value for value in accepted if isinstance(value, str)]
    return any(
        any(word in one for word in words) if isinstance(one, str) else any(one == value for value in accepted)
        for one in candidates
    )


# -- MMBench -----------------------------------------------------------------------------------------

_DECORATIONS = ("{}", "{}.", "{},", "{}:", "{})", "{}).", "({})", "({}).", ":{}", ":{},", ":{}.", ":{})", ":{}).")


def mmbench_row(response: str, options: Options, gold: Sequence[str] | None) -> LmmsGrade:
    """MMBench's row rule; unresolved where the harness asks a judge."""
    letter = _mmbench_letter(response, options)
    if letter is None:
        return LmmsGrade(None, None, True)
    return LmmsGrade(letter, None if gold is None else letter in gold, False)


def mmbench_static_row(response: str, options: Options, gold: Sequence[str] | None) -> LmmsGrade:
    """The row rule, then the letter extractor: never a judge."""
    letter = _mmbench_letter(response, options) or extract_letter(response, tuple(_present(options)))
    return LmmsGrade(letter, None if gold is None else letter in gold, False)


def mmbench_circular(rows: Sequence[Mapping[str, Any]]) -> LmmsGrade:
    """Static task: one question is right if all its rows are. A row is {index, options, gold, response}."""
    verdicts = [mmbench_static_row(row["response"], row["options"], row["gold"]) for row in rows]
    known = all(row["gold"] is not None for row in rows)
    return LmmsGrade([one.parsed for one in verdicts], all(one.correct for one in verdicts) if known else None, False)


def _present(options: Options) -> dict[str, str]:
    return {letter: text for letter, text in zip(LETTERS, options, strict=False) if text is not None}


def _mmbench_letter(response: str, options: Options) -> str | None:
    """The letter that stands alone or decorated as a word, else that of the only option text in the response."""
    words = response.split()
    if API_FAILURE not in response:
        for form in _DECORATIONS:
            found = [letter for letter in "ABCDE" if form.format(letter) in words]
            article = form == "{}" and "A" in words and len(words) > 3
            if len(found) == 1 and not article:
                return found[0]
    lower = response.lower()
    named = [letter for letter, text in _present(options).items() if text.lower() in lower]
    return named[0] if len(named) == 1 else None


# -- letters, RealWorldQA ----------------------------------------------------------------------------


def letters(response: str, choices: Sequence[str], gold: Sequence[str] | None) -> LmmsGrade:
    """The letter extractor, as several tasks use it."""
    letter = extract_letter(response, choices)
    return LmmsGrade(letter, None if gold is None else letter in gold, False)


def realworldqa(response: str, gold: Sequence[str] | None) -> LmmsGrade:
    """Letter golds by the letter extractor; others by equality in lower case, without blanks and final stops."""
    plain = response.lower().strip().rstrip(".")
    if gold is None:
        return LmmsGrade(plain, None, False)
    accepted = [text.strip() for text in gold]
    if all(text.upper() in tuple("ABCD") for text in accepted):
        letter = extract_letter(response, tuple("ABCD"))
        return LmmsGrade(letter, letter in [text.upper() for text in accepted], False)
    return LmmsGrade(plain, plain in [text.lower() for text in accepted], False)
