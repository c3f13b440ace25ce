r"""When two free answers mean the same: numbers, ranges, intervals, words, tuples, formulas.

Our decision, where published harnesses ask a judge or compare strings. A decimal stands for an exact value if it is
that value rounded to its own last digit and off by at most half a percent of it (24/7 and 3.429 agree, 24/7 and 3.4 do
not); whole numbers agree only if equal. A percent sign may be missing, or stand for a division by 100. A unit may be
missing on one side; two different ones of the same kind are converted. A bound ("at least 5") is no value, and what is
denied ("not 5 but 7") is not said. Formulas go to math-verify, within bounds on their size that keep its
parser fast.
"""

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache
from typing import Any

from dreamr.scoring.formulas import FORMULA_CHARACTERS, formula
from dreamr.scoring.numerals import numerals
from dreamr.scoring.quantities import UNIT_BEHIND, Quantity, close, quantity, same_quantity

NESTING = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}

_SYMBOLS = {
    "−": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "÷": "/", "π": r"\pi ", "√": r"\sqrt", "∞": r"\infty ",
    "≤": r"\le ", "≥": r"\ge ", "±": r"\pm ", "∈": r"\in ", "º": "°", "°": " degrees ",
    "％": "%", "，": ",", "：": ":", "。": ".", "\u00a0": " ",
}  # fmt: skip
_FRACTION = re.compile("[¼-¾⅐-⅞]")
_POWER = re.compile("[⁰¹²³⁴-⁹⁻]+")
_UNWRAPPED = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|operatorname|mbox|boxed|fbox)\s*\{([^{}]*)\}"
)
_DEGREES = re.compile(r"\s*(?:\^\s*\{?\s*\\circ\s*\}?|\\degree|\\circ(?![a-zA-Z]))\s*")
_NOISE = re.compile(r"\\left(?![a-z])|\\right(?![a-z])|\\displaystyle|\\[,;:! ()\[\]]|[$`~]|\*\*|__|\{,\}|\\quad")
_THOUSANDS = re.compile(r"(?<![\d,.])[-+]?\d{1,3}(?:,\d{3})+(?![\d,])")
_NAME = re.compile(r"^[^=<>≈]{0,40}?(?:=|≈|\\approx|\\in\b)\s*")
_HEDGE = re.compile(r"^(?:approximately|about|around|roughly|nearly|exactly|equals?|is|are|=|≈|\\approx|[€£])\s*", re.I)
_INEQUALITY = re.compile(r"\s*(<|>|\\leq?(?![a-z])|\\geq?(?![a-z]))\s*")
_ENDS = re.compile(r"between (.+?) and (.+)|(?:from )?(.+?)\s*(?:-|:|\bto\b)\s*(.+)")  # of a range or ratio
_DENIED = re.compile(r",?\s*\bnot\s+(?:(?:an?|the)\s+)?[^\s,;]+(?:\s+but\b(?:\s+rather\b)?|(?=\s*(?:[,;)]|$)))", re.I)
_BOUND = re.compile(
    r"\b(?:(?:more|less|fewer|greater|larger|smaller|higher|lower) than|at (?:least|most)|up to|or (?:more|less|fewer)|"
    r"(?:over|under|above|below)\s(?=\d)|not)\b|n't\b",
    re.I,
)
_NEGATION = re.compile(r"\b(?:not|no|nor|neither|never|or|than|without|cannot|instead)\b|n't\b", re.I)


def same_answer(answer: str, gold: str) -> bool:
    """Whether some reading of the extracted `answer` means `gold`. Never raises."""
    answer, gold = canonical(answer), canonical(gold)
    affirmed = " ".join(_DENIED.sub("", answer).split())  # "not 5 but 7" says 7
    said = {*readings(answer), *readings(affirmed)}
    if quantity(gold):
        said = {reading for reading in said if not _BOUND.search(reading)}
    return any(same_value(reading, gold) for reading in said) or _names(affirmed, gold)


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """`text` without markup: no dollars, bold marks, `\\text`, spacing commands, thousands commas or final stops."""
    for symbol, plain in _SYMBOLS.items():
        text = text.replace(symbol, plain)
    text = _FRACTION.sub(lambda match: r"\frac{{{}}}{{{}}}".format(*_ascii(match[0]).split("/")), text)
    text = _POWER.sub(lambda match: "^" + _braced(_ascii(match[0])), text)
    for _ in range(3):
        text = _UNWRAPPED.sub(r"\1", text)
    text = _DEGREES.sub(" degrees ", _NOISE.sub("", text)).replace(r"\%", "%").replace(r"\$", "")
    text = re.sub(r"\\[dtc]frac", r"\\frac", text).replace("**", "^")
    if not re.match(r"\s*[(\[{]|\\\{", text):
        text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = re.sub(r"^\W*(?:\.{2,}|…)\s*", "", " ".join(text.split()))
    return text.strip(" \"'*_").rstrip(".,;:!").strip(" \"'*_")


def _ascii(text: str) -> str:
    """Superscript digits and one-sign fractions as plain characters: "⁻⁴" is "-4", "½" is "1/2"."""
    return unicodedata.normalize("NFKC", text).replace("\u2212", "-").replace("\u2044", "/")


def _braced(power: str) -> str:
    return power if len(power) == 1 else f"{{{power}}}"


def readings(answer: str) -> list[str]:
    """What an extracted answer may say: all of it, its first sentence, what stands behind its equals sign."""
    first = re.split(r"[.;!]\s|\s(?:because|since|as)\s|,\s(?!\s*[-+\d(\\])", answer, maxsplit=1)[0]
    kept = [answer, first]
    kept += [
        tail
        for text in (answer, first)
        if (tail := re.split(r"\b(?:is|are|equals|measures|gives|called)\b", text)[-1].strip()) != text
    ]
    kept += [text.rpartition("=")[2].strip() for text in (answer, first) if "=" in text and not re.search("[<>]", text)]
    alternatives = re.fullmatch(r"([^()]+?)\s*\(([^()]+)\)", answer)  # "1/2 (0.5)", "three (3)"
    kept += [alternatives[1], alternatives[2]] if alternatives and not re.search(r"[\\=]|[a-z]\s*$", answer) else []
    return list(dict.fromkeys(text for text in kept if text))


def same_value(answer: str, gold: str) -> bool:
    """Whether two canonical texts mean the same."""
    answer, gold = (_bracketed(_HEDGE.sub("", text)) for text in (answer, gold))
    if _key(answer) == _key(gold):
        return bool(answer)
    left, right = _numbers(answer), _numbers(gold)
    if left and len(left) == len(right):
        return all(map(same_quantity, left, right))
    named = _NAME.sub("", answer), _NAME.sub("", gold)
    if named != (answer, gold) and same_value(*named):
        return True
    ours, theirs = _parts(answer), _parts(gold)
    if ours and theirs:
        return _same_parts(ours, theirs)
    return not (ours or theirs) and _same_formula(answer, gold)


def _bracketed(text: str) -> str:
    """`text`, an interval by brackets where it is one by inequalities: "5 >= x > 2" is "(2,5]", "x < 2" (-oo,2)."""
    sides = _INEQUALITY.split(text)
    if sides[1:2] and (sides[1] == ">" or sides[1].startswith(r"\g")):
        sides.reverse()
    names = [bool(re.fullmatch("[a-zA-Z]", side)) for side in sides[::2]]
    if names == [True, False]:
        sides = [r"-\infty", "<", *sides]
    elif names == [False, True]:
        sides = [*sides, "<", r"\infty"]
    elif names != [False, True, False]:
        return text
    strict = [sign in "<>" for sign in sides[1::2]]
    return f"{'(' if strict[0] else '['}{sides[0]},{sides[4]}{')' if strict[1] else ']'}"


def _numbers(text: str) -> tuple[Quantity, ...]:
    """The plain number that `text` is, or both ends of a range or ratio; else nothing."""
    if number := quantity(text):
        return (number,)
    match = _ENDS.fullmatch(text) if len(text) <= FORMULA_CHARACTERS else None
    ends = [quantity(end) for end in match.groups() if end] if match else []
    return tuple(end for end in ends if end) if all(ends) else ()


def _key(text: str) -> str:
    """What two equal words or formulas share: no case, no blanks, no outer punctuation."""
    return re.sub(r"\s+|^the\s+|^\+", "", text.casefold()).strip(".,;:!?\"'")


def _names(answer: str, gold: str) -> bool:
    """Whether a short answer in words says `gold`: "Yes, there is." / Yes, "The road goes downhill" / Downhill."""
    words = re.findall(r"[\w%-]+", numerals(answer).casefold())
    if not words or len(words) > 15:
        return False
    if gold.casefold() in ("yes", "no", "true", "false"):
        return words[0] == gold.casefold() and words[1:2] != ["or"]
    if value := quantity(gold):
        numbers = [found for word in words if (found := quantity(word))]
        bounded = _BOUND.search(answer) or _numbers(answer)
        plain = not bounded and not _formula_like(re.sub(r"\((\w+)\)", r"\1", answer))
        return plain and len({found.number for found in numbers}) == 1 and close(numbers[0], value)
    named = re.search(rf"(?<!\w){re.escape(gold.casefold())}(?!\w)", answer.casefold())
    return len(gold) > 1 and bool(named) and not _NEGATION.search(answer) and not _formula_like(gold)


def _formula_like(text: str) -> bool:
    return bool(re.search(r"[\\=^*/+<>(]|\d\s*-|\d[a-zA-Z]", text))


def _parts(text: str) -> tuple[str, str, tuple[str, ...]] | None:
    """Brackets and components of a tuple, interval, set or list; None where `text` has no top-level comma."""
    body = re.sub(r"\s(?:and|or)\s", ", ", re.sub(r"\\([{}])", r"\1", text)).strip()
    bracketed = len(body) > 1 and body[0] in "([{" and body[-1] in ")]}"
    opening, inner, closing = (body[0], body[1:-1], body[-1]) if bracketed else ("", body, "")
    depth, parts = 0, [""]
    for letter in inner[: 2 * FORMULA_CHARACTERS]:
        depth += NESTING.get(letter, 0)
        if depth < 0:
            return None
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return (opening, closing, tuple(part.strip() for part in parts)) if 1 < len(parts) < 8 else None


def _same_parts(left: tuple[str, str, tuple[str, ...]], right: tuple[str, str, tuple[str, ...]]) -> bool:
    if len(left[2]) != len(right[2]):
        return False
    ordered = "(" in (left[0], right[0]) or "[" in (left[0], right[0])
    if left[0] and right[0] and left[:2] != right[:2]:
        return False
    if all(same_value(a, b) for a, b in zip(left[2], right[2], strict=True)):
        return True
    return not ordered and all(any(same_value(a, b) for a in left[2]) for b in right[2])


@lru_cache(maxsize=4096)
def _same_formula(answer: str, gold: str) -> bool:
    """math-verify's verdict on two formulas, or closeness of a formula and a decimal."""
    left, right = (formula(UNIT_BEHIND.sub("", text).strip()) for text in (answer, gold))
    if left is None or right is None:
        return False
    from math_verify import verify

    if verify(right, left, timeout_seconds=None):
        return True
    return any(_decimal_of(*pair) for pair in ((left, quantity(gold)), (right, quantity(answer))))


def _decimal_of(exact: Any, decimal: Quantity | None) -> bool:
    """Whether `decimal` is `exact`, a parsed formula, rounded."""
    if decimal is None or decimal.step is None or not getattr(exact[0], "is_number", False):
        return False
    value = complex(exact[0].evalf())
    if value.imag or value.real != value.real or abs(value.real) > 1e300:
        return False
    return close(Quantity(Fraction(value.real), None), decimal)
