"""How numbers look, and an estimate as a sentence with its unit."""

from collections.abc import Mapping
from math import inf, isnan, nan
from typing import Any, NamedTuple

from dreamr.config import NO_DRAFT
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, BASELINE
from dreamr.statistics.paired import TRAININGS

UNKNOWN = "–"
UNTESTED = frozenset({"not run", "not tested", "not testable at this scale"})  # verdicts on claims without a number


class Sentence(NamedTuple):
    """A quantity in words."""

    words: str  # with {method}, {other} and {value}
    kind: str  # how its number looks: a name of FORMATS
    timed: bool = False  # whether it rests on answers given one at a time


# Those of several tables; `X_change` is a difference on the same questions, `X_ratio` a quotient.
SENTENCES = {
    "speedup": Sentence("{method} is {value} times as fast as the target alone", "times", timed=True),
    "speed_ratio": Sentence("{method} is {value} times as fast as {other}", "times", timed=True),
    "overlap": Sentence(
        "{method} writes the same text {value} times as fast as one request after the other", "times", timed=True
    ),
    "accuracy": Sentence("{method} answers {value} % right", "share"),
    "accuracy_change": Sentence("the accuracy of {method} differs from that of {other} by {value} points", "points"),
    "acceptance": Sentence("the target accepts {value} % of the steps that it verifies in {method}", "share"),
    "acceptance_change": Sentence(
        "the acceptance of {method} differs from that of {other} by {value} points", "points"
    ),
    "tokens_ratio": Sentence("answers of {method} are {value} times as long as those of {other}", "times"),
}


def _number(value: Any, digits: int, scale: float = 1, sign: bool = False) -> str:
    if value is None or (isinstance(value, float) and isnan(value)):
        return UNKNOWN
    text = f"{value * scale:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", "−")


FORMATS = {
    "share": lambda value: _number(value, 1, 100),
    "points": lambda value: _number(value, 1, 100, sign=True),
    "times": lambda value: _number(value, 2),
    "change": lambda value: _number(value, 2, sign=True),
    "seconds": lambda value: _number(value, 3),
    "milli": lambda value: _number(value, 2, 1000),
    "ms": lambda value: _number(value, 0, 1000),
    "tenth_ms": lambda value: _number(value, 1, 1000),
    "ratio": lambda value: _number(value, 3),
    "tokens": lambda value: _number(value, 1),
    "count": lambda value: _number(value, 0),
    "p": lambda value: "<0.001" if value is not None and value < 0.0005 else _number(value, 3),
    "text": lambda value: UNKNOWN if value is None else str(value),
}


def formatted(value: Any, kind: str) -> str:
    """A number as tables and prose show it."""
    return FORMATS[kind](value)


# Where two methods are alike, by how a number looks.
ALIKE = {"points": 0.0, "change": 0.0, "times": 1.0}


def limit(value: Any, kind: str, margin: float = nan) -> str:
    """An end of an interval; with one or two more digits where rounding hides on which side of a mark it lies.

    Marks are where two methods are alike and, of points, the `margin` (a share) below that.
    """
    text = formatted(value, kind)
    marks = [ALIKE.get(kind, nan), -margin if kind == "points" else nan]
    hidden = [
        mark for mark in marks if text != UNKNOWN and value != mark and _read(text) == _read(formatted(mark, kind))
    ]
    if not hidden:
        return text
    digits, scale, sign = {"points": (1, 100, True), "change": (2, 1, True), "times": (2, 1, False)}[kind]
    finer = [_number(value, digits + more, scale, sign) for more in (1, 2)]
    return next((one for one in finer if _read(one) != hidden[0] * scale), text)


def _read(number: str) -> float:
    return nan if number == UNKNOWN else float(number.replace("−", "-"))


def bounds(row: Mapping[str, Any], quantity: str, kind: str, margin: float = nan) -> str:
    """The interval of a cell, " [1.84, 2.42]"; nothing where the data cannot tell."""
    low, high = (limit(row[f"{quantity}_{end}"], kind, margin) for end in ("low", "high"))
    return "" if low == UNKNOWN else f" [{low}, {high}]"


def standing(row: Mapping[str, Any] | None) -> str:
    """How a method's accuracy stands to the target's: its `non_inferior`, told apart where that is "undecided".

    "alike" if no question was right for one of them alone; "less" if the interval lies below 0. "identical" it is where
    the method writes the target's own text.
    """
    if row is None:
        return "unknown"
    if row.get("lost") == row.get("won") == 0:
        return "identical" if row["non_inferior"] == "identical" else "alike"
    high = row["accuracy_change_high"]
    less = row["non_inferior"] == "undecided" and high is not None and high < 0
    return "less" if less else str(row["non_inferior"])


def sample(row: Mapping[str, Any], quantity: str, job: SummariseJob) -> str:
    """What an estimate rests on: "96 timed answers of 8 pairs"."""
    return _sample(row, SENTENCES[quantity].timed, job)


def _sample(row: Mapping[str, Any], timed: bool, job: SummariseJob) -> str:
    """Tables with both kinds of answers count the timed as `n_alone`."""
    size = int(row["n_alone"] if timed and "n_alone" in row else row["n"])
    drafts = f", {row['trainings']:.0f} trainings" if row.get("over") == TRAININGS else ""
    return f"{size} {'timed ' if timed else ''}answers of {place(row, job)}{drafts}"


def pair(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The target and draft of a row by their names for people; "all pairs" for the pool."""
    target, draft = (str(names.get(row[part], row[part])) for part in ("target", "draft"))
    if target == ALL:
        return "all pairs"
    if draft == NO_DRAFT:
        return target
    return f"{target} ← {'every draft' if draft == ALL else draft}"


def place(row: Mapping[str, Any], job: SummariseJob) -> str:
    """The pair of a row, or how many are pooled in it; its benchmark, where it is one."""
    pairs = len(job.pairs)
    where = f"{pairs} pair{'s' if pairs > 1 else ''}" if row["target"] == ALL else pair(row, job.names)
    part = f" ({row['version']})" if "version" in row else ""
    return where if row["benchmark"] == ALL else f"{where} on {job.label(row['benchmark'])}{part}"


def sentence(row: Mapping[str, Any], quantity: str, job: SummariseJob, told: Sentence | None = None) -> str:
    """A cell in words, without a full stop: "DREAM-R is 2.10 times as fast ... [1.84, 2.42], 12 timed ..."."""
    told = told or SENTENCES[quantity]
    return f"{estimate(row, quantity, told, job)}, {_sample(row, told.timed, job)}"


def estimate(row: Mapping[str, Any], quantity: str, told: Sentence, job: SummariseJob) -> str:
    """The same without what it rests on."""
    other = row.get("other", BASELINE)
    names = {
        "method": job.label(row["method"]),
        "other": "the target alone" if other == BASELINE else job.label(other),
    }
    text = told.words.format(value=formatted(row[quantity], told.kind), **names)
    return f"{text[0].upper()}{text[1:]}{bounds(row, quantity, told.kind)}"


def value_of(words: object) -> tuple[float, str]:
    """By which settings are put in order: numbers by their value, before words, and before what a comma adds."""
    text = str(words)
    number = text.partition(",")[0]
    return (float(number) if number.replace(".", "", 1).isdigit() else inf), text
