r"""Plain numbers with units: 2.5, 2 1/2, 3 \times 10^8 m/s, 40 %, "twenty-five miles per hour"."""

import re
from dataclasses import dataclass
from fractions import Fraction

from dreamr.scoring.formulas import FORMULA_CHARACTERS
from dreamr.scoring.numerals import numerals

TOLERANCE = Fraction(1, 200)

_PLAIN = re.compile(
    r"(?P<sign>[-+]?)\s*(?:(?P<whole>\d+)(?=\s+(?:and\s+)?\d+\s*/|\s*\\frac)\s*(?:and\s+)?)?"
    r"(?:(?P<number>\d+(?:\.\d*)?|\.\d+)(?:\s*/\s*(?P<over>\d+))?|"
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
UNIT_BEHIND = re.compile(rf"(?<![a-zA-Z\\])({_UNIT}(?:\^\{{?\d\}}?)?(?:\s*[/ ]\s*{_UNIT}(?:\^\{{?-?\d\}}?)?)?\.?)$")
_WORDS_BEHIND = re.compile(r"\s+([^\W\d_]{2,}(?:[ -][^\W\d_]+){0,4})\.?$")
_ALIASES = {
    "percent": "%", "degree": "degrees", "deg": "degrees", "centimeter": "cm", "centimetre": "cm",
    "millimeter": "mm", "millimetre": "mm", "kilometer": "km", "kilometre": "km", "meter": "m", "metre": "m",
    "inche": "in", "inch": "in", "feet": "ft", "foot": "ft", "mile": "mi", "yard": "yd", "second": "s", "sec": "s",
    "minute": "min", "hour": "h", "hr": "h", "liter": "l", "litre": "l", "milliliter": "ml", "millilitre": "ml",
    "gram": "g", "kilogram": "kg", "kmh": "km/h", "kph": "km/h", "mph": "mi/h", "radian": "rad", "year": "yr",
    "lb": "pound", "newton": "n", "joule": "j", "watt": "w", "volt": "v", "ampere": "a", "amp": "a", "pascal": "pa",
    "hertz": "hz", "ohm": "ω",
}  # fmt: skip
_SCALES = {  # units and what they are in others; mega and milli are not told apart in lower case
    "mm": ("m", Fraction(1, 1000)), "cm": ("m", Fraction(1, 100)), "dm": ("m", Fraction(1, 10)),
    "mg": ("g", Fraction(1, 1000)), "ml": ("l", Fraction(1, 1000)), "ft": ("in", Fraction(12)),
    "yd": ("in", Fraction(36)), "min": ("s", Fraction(60)), "h": ("s", Fraction(3600)),
} | {f"k{unit}": (unit, Fraction(1000)) for unit in ("m", "g", "n", "j", "w", "v", "hz", "pa", "ev")}  # fmt: skip


@dataclass(frozen=True)
class Quantity:
    """A plain number. `step` is what its last decimal counts (0.01 of 2.50); None: exact."""

    number: Fraction
    step: Fraction | None
    unit: str = ""

    def times(self, factor: Fraction, unit: str) -> "Quantity":
        return Quantity(self.number * factor, None if self.step is None else self.step * factor, unit)


def quantity(text: str) -> Quantity | None:
    """The plain number, with its unit, that `text` is; None where it is something else."""
    text = re.sub(r"^(?:minus|negative)\s+(?=\d)", "-", numerals(text), flags=re.I).strip()
    match = _PLAIN.match(text)
    unit = _unit(text[match.end() :]) if match else None
    if not match or unit is None or len(text) > FORMULA_CHARACTERS:
        return None
    part = match.groupdict()
    above = part["number"] or part["top"] or part["top_digit"]
    below = int(part["over"] or part["bottom"] or part["bottom_digit"] or 1)
    if below == 0:
        return None
    power = Fraction(10) ** int(part["exponent"] or part["power"] or 0)
    value = (int(part["whole"] or 0) + Fraction(above) / below) * power
    decimals = len(above.partition(".")[2])
    step = power / 10**decimals if "." in above and below == 1 else None
    return Quantity(-value if part["sign"] == "-" else value, step, unit)


def same_quantity(left: Quantity, right: Quantity) -> bool:
    """Whether two plain numbers with units mean the same."""
    units = left.unit, right.unit
    if "%" in units and "" in units:
        shares = (side.times(Fraction(1, 100), "") if side.unit == "%" else side for side in (left, right))
        return close(left, right) or close(*shares)
    shorter, longer = sorted((unit.split() for unit in units), key=len)
    if longer[: len(shorter)] == shorter:  # no unit on one side, or one word less
        return close(left, right)
    left, right = _in_base_units(left), _in_base_units(right)
    return left.unit == right.unit and close(left, right)


def close(left: Quantity, right: Quantity) -> bool:
    """Whether two numbers are equal, or one is the other rounded."""
    gap = abs(left.number - right.number)
    steps = [side.step for side in (left, right) if side.step is not None]
    if gap == 0 or not steps or (left.number.denominator == 1 and right.number.denominator == 1):
        return gap == 0
    whole = any(side.step is None and side.number.denominator == 1 for side in (left, right))
    return not whole and gap <= max(steps) / 2 and gap <= TOLERANCE * abs(right.number)


def _unit(tail: str) -> str | None:
    """The unit that `tail`, the text behind a number, is: "" for none, None where it is no unit."""
    text = tail.strip()
    if not text:
        return ""
    found = UNIT_BEHIND.fullmatch(text) or _WORDS_BEHIND.fullmatch(tail)
    if not found:
        return None
    text = re.sub(r"[{}]|\.$", "", found[1]).lower().replace("per cent", "%")
    text = re.sub(r"\s*(?:/|\bper\b)\s*", "/", text)
    text = re.sub(r"\b(?:square|sq)\s+(\w+)", r"\1^2", re.sub(r"\bcubic\s+(\w+)", r"\1^3", text))
    return re.sub(r"[^\W\d_]+", lambda word: _short(word[0]), text)


def _short(word: str) -> str:
    return _ALIASES.get(word, _ALIASES.get(word.rstrip("s"), word))


def _in_base_units(value: Quantity) -> Quantity:
    """`value` in units that no other is a multiple of: 36 km/h is 10 m/s."""
    factor, sides = Fraction(1), []
    for sign, side in zip((1, -1), value.unit.split("/"), strict=False):
        bases = []
        for word in side.split():
            name, _, power = word.partition("^")
            base, scale = _SCALES.get(name, (name, Fraction(1)))
            factor *= scale ** (sign * int(power or 1))
            bases.append(base + _ + power)
        sides.append(" ".join(bases))
    return value.times(factor, "/".join(sides))
