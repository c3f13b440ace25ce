r"""When two free answers mean the same: numbers, units, percent, words, tuples, formulas.

Our decision, where published harnesses ask a judge or compare strings. A decimal stands for an exact value if it is
that value rounded to its own last digit and off by at most `TOLERANCE` of it (24/7 and 3.429 agree, 24/7 and 3.4 do
not); whole numbers agree only if equal. A percent sign may be missing, or stand for a division by 100. A unit may be
missing on one side; two different units disagree. Formulas go to math-verify, within bounds on their size that keep its
parser fast.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from dreamr.scoring.formulas import FORMULA_CHARACTERS, formula

TOLERANCE = 0.005
NESTING = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}

_SYMBOLS = {
    "−": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "÷": "/", "π": r"\pi ", "√": r"\sqrt", "∞": r"\infty ",
    "≤": r"\le ", "≥": r"\ge ", "²": "^2", "³": "^3", "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}",
    "°": " degrees ", "％": "%", "，": ",", "：": ":", "。": ".", "\u00a0": " ",
}  # fmt: skip
_UNWRAPPED = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|operatorname|mbox|boxed|fbox)\s*\{([^{}]*)\}"
)
_DEGREES = re.compile(r"\s*(?:\^\s*\{?\s*\\circ\s*\}?|\\degree|\\circ(?![a-zA-Z]))\s*")
_NOISE = re.compile(r"\\left(?![a-z])|\\right(?![a-z])|\\displaystyle|\\[,;:! ()\[\]]|[$`~]|\*\*|__|\{,\}|\\quad")
_THOUSANDS = re.compile(r"(?<![\d,.])[-+]?\d{1,3}(?:,\d{3})+(?![\d,])")
_NAME = re.compile(r"^[^=<>≈]{0,40}?(?:=|≈|\\approx)\s*")
_HEDGE = re.compile(r"^(?:approximately|about|around|roughly|nearly|exactly|equals?|is|are|=|≈|\\approx|[€£])\s*", re.I)
_PLAIN = re.compile(
    r"(?P<sign>[-+]?)\s*(?:(?P<number>\d+(?:\.\d*)?|\.\d+)(?:\s*/\s*(?P<over>\d+))?|"
    r"\\frac\s*\{(?P<top>\d+)\}\s*\{(?P<bottom>\d+)\}|\\frac(?P<top_digit>\d)(?P<bottom_digit>\d))"
    r"(?:[eE](?P<exponent>[-+]?\d{1,2})|"
    r"\s*(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*\{?(?P<power>[-+]?\d{1,2})\}?)?"
)
_UNIT = (
    r"(?:degrees?|deg|percent|per cent|%|square units?|cubic units?|units?|sq|square|cubic|"
    r"(?:kilo|centi|milli|deci)?(?:meters?|metres?|grams?|lit(?:er|re)s?)|[kcdmnμ]?m|inch(?:es)?|in|feet|foot|ft|yards?|yd|"
    r"miles?|mi|mph|kmh|kph|[km]?g|lbs?|oz|m?[lL]|hours?|hrs?|h|minutes?|mins?|seconds?|secs?|s|days?|weeks?|months?|"
    r"years?|yrs?|rad(?:ians)?|[kM]?Hz|[kM]?Pa|[kM]?[JNW]|[km]?[VA]|[kMG]?eV|mol|K|C|F|Ω|dollars?|cents?)"
)
_TAIL = re.compile(rf"(?<![a-zA-Z\\])({_UNIT}(?:\^\{{?\d\}}?)?(?:\s*[/ ]\s*{_UNIT}(?:\^\{{?-?\d\}}?)?)?\.?)$")
_WORDS_BEHIND = re.compile(r"\s+([^\W\d_]{2,}(?:[ -][^\W\d_]+){0,4})\.?$")
_ALIASES = {
    "percent": "%", "per cent": "%", "degree": "degrees", "deg": "degrees", "centimeter": "cm", "centimetre": "cm",
    "millimeter": "mm", "millimetre": "mm", "kilometer": "km", "kilometre": "km", "meter": "m", "metre": "m",
    "inche": "in", "inch": "in", "feet": "ft", "foot": "ft", "mile": "mi", "yard": "yd", "second": "s", "sec": "s",
    "minute": "min", "hour": "h", "hr": "h", "liter": "l", "litre": "l", "gram": "g", "kilogram": "kg", "kmh": "km/h",
    "kph": "km/h", "radian": "rad", "year": "yr", "lb": "pound",
}  # fmt: skip
_NUMBER_WORDS = {
    "none": 0, "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
}  # fmt: skip
_NEGATION = re.compile(r"\b(?:not|no|nor|neither|never|or|than|without|cannot|instead)\b|n't\b", re.I)


@dataclass(frozen=True)
class Quantity:
    """A plain number. `digits` are those behind the decimal point; None: exact."""

    number: Fraction
    digits: int | None
    unit: str = ""


def same_answer(answer: str, gold: str) -> bool:
    """Whether some reading of the extracted `answer` means `gold`. Never raises."""
    gold = canonical(gold)
    return any(same_value(reading, gold) for reading in readings(canonical(answer))) or _names(canonical(answer), gold)


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """`text` without markup: no dollars, bold marks, `\\text`, spacing commands, thousands commas or final stops."""
    for symbol, plain in _SYMBOLS.items():
        text = text.replace(symbol, plain)
    for _ in range(3):
        text = _UNWRAPPED.sub(r"\1", text)
    text = _DEGREES.sub(" degrees ", _NOISE.sub("", text)).replace(r"\%", "%").replace(r"\$", "")
    text = re.sub(r"\\[dtc]frac", r"\\frac", text).replace("**", "^")
    if not re.match(r"\s*[(\[{]|\\\{", text):
        text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = re.sub(r"^\W*(?:\.{2,}|…)\s*", "", " ".join(text.split()))
    return text.strip(" \"'*_").rstrip(".,;:!").strip(" \"'*_")


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
    answer, gold = _HEDGE.sub("", answer), _HEDGE.sub("", gold)
    if _key(answer) == _key(gold):
        return bool(answer)
    left, right = quantity(answer), quantity(gold)
    if left and right:
        return same_quantity(left, right)
    named = _NAME.sub("", answer), _NAME.sub("", gold)
    if named != (answer, gold) and same_value(*named):
        return True
    ours, theirs = _parts(answer), _parts(gold)
    if ours and theirs:
        return _same_parts(ours, theirs)
    return not (ours or theirs) and _same_formula(answer, gold)


def quantity(text: str) -> Quantity | None:
    """The plain number, with its unit, that `text` is; None where it is something else."""
    word, _, rest = text.partition(" ")
    if word.lower() in _NUMBER_WORDS:
        text = f"{_NUMBER_WORDS[word.lower()]} {rest}"
    text = re.sub(r"^(?:minus|negative)\s+(?=\d)", "-", text, flags=re.I).strip()
    match = _PLAIN.match(text)
    unit = _unit(text[match.end() :]) if match else None
    if not match or unit is None:
        return None
    part = match.groupdict()
    above = part["number"] or part["top"] or part["top_digit"]
    below = part["over"] or part["bottom"] or part["bottom_digit"] or "1"
    power = int(part["exponent"] or part["power"] or 0)
    if len(text) > FORMULA_CHARACTERS or int(below) == 0:
        return None
    value = Fraction(above) / int(below) * Fraction(10) ** power
    digits = len(above.partition(".")[2]) - power if "." in above and below == "1" else None
    return Quantity(-value if part["sign"] == "-" else value, digits, unit)


def same_quantity(left: Quantity, right: Quantity) -> bool:
    """Whether two plain numbers with units mean the same."""
    if left.unit != right.unit:
        if "%" in (left.unit, right.unit) and not (left.unit and right.unit):
            scaled = [_hundredth(side) if side.unit == "%" else side for side in (left, right)]
            return _close(*scaled) or _close(left, right)
        longer, shorter = sorted((left.unit.split(), right.unit.split()), key=len, reverse=True)
        if longer[: len(shorter)] != shorter:
            return False
    return _close(left, right)


def _hundredth(percent: Quantity) -> Quantity:
    return Quantity(percent.number / 100, None if percent.digits is None else percent.digits + 2)


def _close(left: Quantity, right: Quantity) -> bool:
    gap = abs(left.number - right.number)
    decimals = [side.digits for side in (left, right) if side.digits is not None]
    if gap == 0 or not decimals or (left.number.denominator == 1 and right.number.denominator == 1):
        return gap == 0
    whole = any(side.digits is None and side.number.denominator == 1 for side in (left, right))
    rounding = Fraction(1, 2) / Fraction(10) ** min(decimals)
    return not whole and gap <= rounding and gap <= TOLERANCE * abs(right.number)


def _unit(tail: str) -> str | None:
    """The unit that `tail`, the text behind a number, is: "" for none, None where it is no unit."""
    text = tail.strip()
    if not text:
        return ""
    found = _TAIL.fullmatch(text) or _WORDS_BEHIND.fullmatch(tail)
    if not found:
        return None
    text = found[1].rstrip(".").replace("{", "").replace("}", "").lower()
    text = re.sub(r"\b(?:square|sq)\s+(\w+)", r"\1^2", re.sub(r"\bcubic\s+(\w+)", r"\1^3", text))
    return " ".join(_ALIASES.get(word, _ALIASES.get(word.rstrip("s"), word)) for word in _split_power(text))


def _split_power(text: str) -> list[str]:
    """Words of a unit; `cm^2` stays one word, its plural and long forms are put in short form."""
    words = []
    for word in text.split():
        base, power, number = word.partition("^")
        short = _ALIASES.get(base, _ALIASES.get(base.rstrip("s"), base))
        words.append(short + power + number)
    return words


def _key(text: str) -> str:
    """What two equal words or formulas share: no case, no blanks, no outer punctuation."""
    return re.sub(r"\s+|^the\s+", "", text.casefold()).strip(".,;:!?\"'")


def _names(answer: str, gold: str) -> bool:
    """Whether a short answer in words says `gold`: "Yes, there is." / Yes, "The road goes downhill" / Downhill."""
    words = re.findall(r"[\w%-]+", answer.casefold())
    if not words or len(words) > 15:
        return False
    if gold.casefold() in ("yes", "no", "true", "false"):
        return bool(words[0] == gold.casefold())
    if value := quantity(gold):
        numbers = [found for word in words if (found := quantity(word))]
        plain = not quantity(answer) and not _formula_like(re.sub(r"\((\w+)\)", r"\1", answer))
        return plain and len({found.number for found in numbers}) == 1 and _close(numbers[0], value)
    named = re.search(rf"(?<!\w){re.escape(gold.casefold())}(?!\w)", answer.casefold())
    return len(gold) > 1 and bool(named) and not _NEGATION.search(answer) and not _formula_like(gold)


def _formula_like(text: str) -> bool:
    return bool(re.search(r"[\\=^*/+<>(]|\d\s*-|\d[a-zA-Z]", text))


def _parts(text: str) -> tuple[str, str, tuple[str, ...]] | None:
    """Brackets and components of a tuple, interval, set or list; None where `text` has no top-level comma."""
    body = re.sub(r"\\([{}])", r"\1", text).strip()
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


def _same_formula(answer: str, gold: str) -> bool:
    """math-verify's verdict on two formulas, or closeness of a formula and a decimal."""
    left, right = (formula(_TAIL.sub("", text).strip()) for text in (answer, gold))
    if left is None or right is None:
        return False
    from math_verify import verify

    if verify(right, left, timeout_seconds=None):
        return True
    return any(_decimal_of(*pair) for pair in ((left, quantity(gold)), (right, quantity(answer))))


def _decimal_of(exact: Any, decimal: Quantity | None) -> bool:
    """Whether `decimal` is `exact`, a parsed formula, rounded."""
    if decimal is None or decimal.digits is None or not getattr(exact[0], "is_number", False):
        return False
    value = complex(exact[0].evalf())
    if value.imag or value.real != value.real or abs(value.real) > 1e300:
        return False
    return _close(Quantity(Fraction(value.real), None), decimal)
