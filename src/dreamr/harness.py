r"""Verdicts by the rules of a published harness, lmms-eval 0.7.3, for comparison with published numbers.

Written anew from the behaviour of that version; quirks are kept on purpose, since they move published scores by points.
Where the harness draws a random option or asks a remote judge, the verdict is unresolved instead. One departure: the
formulas beyond the bounds of `values.bounded_text` are not compared, because the harness waits seconds for them.
"""

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple

from dreamr.records import Question
from dreamr.values import bounded_text, quiet_math_verify

LETTERS = string.ascii_uppercase
THINK_TAGS = (("<think>", "</think>"), ("<analysis>", "</analysis>"))
API_FAILURE = "Failed to obtain answer via API"
ROTATION = 1_000_000
LETTER_CHOICES = tuple("ABCDEFGH")
TRIMMED = ",.!?;:'\""

Options = Sequence[str | None]
Candidate = str | float


class Verdict(NamedTuple):
    parsed: Any  # letter, text, list of candidates, or None
    correct: bool | None  # None: no gold, or no deterministic verdict
    unresolved: bool  # the harness would draw or ask a judge


def grade(question: Question, text: str) -> Verdict:
    """The verdict of the task that reads `question.dataset`; unresolved where the harness has no offline rule.

    MMBench: the static task's row rule. MathVerse: the reasoning variant, which needs no judge.
    """
    response, options, gold = strip_thinking(text), question.options, question.gold
    rules: dict[str, Callable[[], Verdict]] = {
        "mmmu": lambda: mmmu_choice(response, options, gold) if options else mmmu_open(response, gold),
        "mmbench": lambda: mmbench_static_row(response, options, gold),
        "realworldqa": lambda: realworldqa(response, gold),
        "mathverse": lambda: reasoning(response, gold),
    }
    return rules[question.dataset]() if question.dataset in rules else Verdict(None, None, True)


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


def _trimmed(text: str, characters: str) -> str:
    """One character class after another off both ends, then one blank on each side."""
    for character in characters:
        text = text.strip(character)
    return f" {text} "


# -- MMMU --------------------------------------------------------------------------------------------


def mmmu_choice(response: str, options: Sequence[str], gold: Sequence[str] | None) -> Verdict:
    letter = _mmmu_letter(response, options)
    if letter is None:
        return Verdict(None, None, True)
    return Verdict(letter, None if gold is None else letter in gold, False)


def _mmmu_letter(response: str, options: Sequence[str]) -> str | None:
    """The letter that the response names, None where the harness draws one."""
    text, letters = _trimmed(response, ",.!?;:'"), LETTERS[: len(options)]
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


def mmmu_open(response: str, gold: Sequence[str] | None) -> Verdict:
    candidates = mmmu_candidates(response)
    shown = [one if isinstance(one, str) or isfinite(one) else str(one) for one in candidates]
    return Verdict(shown, None if gold is None else _matches(candidates, gold), False)


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


def mmbench_row(response: str, options: Options, gold: Sequence[str] | None) -> Verdict:
    letter = _mmbench_letter(response, options)
    if letter is None:
        return Verdict(None, None, True)
    return Verdict(letter, None if gold is None else letter in gold, False)


def mmbench_static_row(response: str, options: Options, gold: Sequence[str] | None) -> Verdict:
    """The row rule, then the letter extractor: never a judge."""
    letter = _mmbench_letter(response, options) or extract_letter(response, tuple(_present(options)))
    return Verdict(letter, None if gold is None else letter in gold, False)


def mmbench_circular(rows: Sequence[Mapping[str, Any]]) -> Verdict:
    """Static task: one question is right if all its rows are. A row is {index, options, gold, response}."""
    verdicts = [mmbench_static_row(row["response"], row["options"], row["gold"]) for row in rows]
    known = all(row["gold"] is not None for row in rows)
    return Verdict([one.parsed for one in verdicts], all(one.correct for one in verdicts) if known else None, False)


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

_PHRASES = (
    *("the answer is", "answer is", "the correct answer is", "correct answer is", "the best answer is"),
    *("best answer is", "the correct option is", "correct option is", "the best option is", "best option is"),
    *("the choice is", "choice is", "the correct choice is", "correct choice is", "i choose", "i select", "i pick"),
    *("my answer is", "my choice is", "옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは"),
)
_FORMS = (("({})", 6), ("{}.", 5), ("{}:", 4), ("{})", 3), ("{} ", 2))
_START, _END, _PHRASE, _ANYWHERE = 10, 9, 7, 0


def extract_letter(response: str, choices: Sequence[str] = LETTER_CHOICES) -> str | None:
    """The letter of the form with the highest priority, of these the one furthest right."""
    choices = choices or LETTER_CHOICES
    if not response.strip():
        return None
    text = _trimmed(response.strip(), TRIMMED)
    found = _decorated(text, choices, _FORMS) + _phrased(text, choices, _PHRASES, skip=True)
    bare = text.strip()
    for letter in choices:
        if bare.startswith(letter) and not bare[1:2].isalpha():
            found.append((_START, 0, letter))
        if bare.endswith(letter) and (len(bare) == 1 or not bare[-2].isalpha()):
            found.append((_END, len(text) - 1, letter))
    found = found or [(_ANYWHERE, text.rfind(letter), letter) for letter in choices if letter in text]
    return max(found, key=lambda one: one[:2])[2] if found else None


def _decorated(text: str, choices: Sequence[str], forms: Iterable[tuple[str, int]]) -> list[tuple[int, int, str]]:
    """(priority, last place, letter) of each letter in each form."""
    places = ((priority, text.rfind(form.format(letter)), letter) for form, priority in forms for letter in choices)
    return [one for one in places if one[1] >= 0]


def _phrased(text: str, choices: Sequence[str], phrases: Iterable[str], skip: bool) -> list[tuple[int, int, str]]:
    """First occurrence of each letter from the first occurrence of each phrase on, behind it where `skip`."""
    lower, found = text.lower(), []
    for phrase in phrases:
        start = lower.find(phrase)
        if start >= 0:
            after = start + len(phrase) * skip
            found += [(_PHRASE, text.find(letter, after), letter) for letter in choices]
    return [one for one in found if one[1] >= 0]


def letters(response: str, choices: Sequence[str], gold: Sequence[str] | None) -> Verdict:
    letter = extract_letter(response, choices)
    return Verdict(letter, None if gold is None else letter in gold, False)


def realworldqa(response: str, gold: Sequence[str] | None) -> Verdict:
    """Letter golds by the letter extractor; others by equality in lower case, without blanks and final stops."""
    plain = response.lower().strip().rstrip(".")
    if gold is None:
        return Verdict(plain, None, False)
    accepted = [text.strip() for text in gold]
    if all(text.upper() in tuple("ABCD") for text in accepted):
        letter = extract_letter(response, tuple("ABCD"))
        return Verdict(letter, letter in [text.upper() for text in accepted], False)
    return Verdict(plain, plain in [text.lower() for text in accepted], False)


# -- reasoning variant (MathVerse) -------------------------------------------------------------------

_LOOSE_FORMS = (*_FORMS, ("{}-", 1), ("{}_", 1), ("{}=", 1))
_LOOSE_PHRASES = (
    *("answer", "the option is", "option is", "the correct option is", "correct option is", "the choice is"),
    *("choice is", "the correct choice is", "correct choice is", "i choose", "i select", "i pick", "my choice is"),
    *("the answer", "correct answer", "the correct answer", "best answer", "the best answer", "my answer is"),
)
_NUMBERED = 8
RELAXED = 0.9


def reasoning(response: str, gold: Sequence[str] | None) -> Verdict:
    text = response.strip()
    answer = _without_stop(extract_answer(text).strip())
    correct = None if gold is None else any(_reasoning_match(answer, _without_stop(one)) for one in gold)
    return Verdict(answer or None, correct, False)


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
    padded = _trimmed(text.strip(), TRIMMED)
    found = _decorated(padded, LETTER_CHOICES, _LOOSE_FORMS)
    found += _phrased(padded, LETTER_CHOICES, _LOOSE_PHRASES, skip=False)
    bare = padded.strip()
    for number, letter in enumerate(LETTER_CHOICES, 1):
        found += [(_START, 0, letter)] if bare.startswith(letter) else []
        found += [(_END, len(padded) - 1, letter)] if bare.endswith(letter) else []
        found += _decorated(padded, letter, [(f"{number}. {{}}", _NUMBERED)])
    found = found or [(_ANYWHERE, padded.rfind(letter), letter) for letter in LETTER_CHOICES if letter in padded]
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
        return verify(_parsed(gold), _parsed(answer), timeout_seconds=None)
    except Exception:  # the harness counts every failure of the library as a miss
        return False


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    from math_verify import parse

    return parse(text, parsing_timeout=None)
