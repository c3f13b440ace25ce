"""What methods are called, how numbers look, and an estimate as a sentence with its unit."""

from collections.abc import Mapping
from math import isnan
from typing import Any, NamedTuple

from dreamr.config import NO_DRAFT, Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, BASELINE

UNKNOWN = "–"
LABELS = {
    "target_only": "Target only",
    "target_only_double": "Target only (twice the budget)",
    "target_only_two_threads": "Target only (two threads)",
    "draft_only": "Draft only",
    "draft_only_sapo": "Draft only, SAPO",
    "draft_only_planted": "Draft only (planted questions)",
    "ngram": "n-gram speculation",
    "specreason": "SpecReason",
    "lookahead": "Lookahead Reasoning",
    "lookahead_published": "Lookahead Reasoning (published depth)",
    "lookahead_continues": "Lookahead Reasoning (writing on)",
    "dreamr_ns": "DREAM-R-NS",
    "dreamr": "DREAM-R",
    "dreamr_double": "DREAM-R (twice the budget)",
    "dreamr_target_answers": "DREAM-R (target answers)",
    "dreamr_planted": "DREAM-R (planted questions)",
    "schedule_sequential": "DREAM-R (sequential)",
    "schedule_pipelined": "DREAM-R (pipelined)",
    "speculation_frontier": "DREAM-R (target speculation: frontier)",
    "speculation_none": "DREAM-R (target speculation: none)",
    "anew_all": "DREAM-R (asked anew)",
    "anew_frontier": "DREAM-R (target speculation: frontier, asked anew)",
    "verifier_score": "DREAM-R (0-9 score)",
    "alpha_05": "DREAM-R (alpha 0.5)",
    "alpha_09": "DREAM-R (alpha 0.9)",
    "outcome_heavy": "DREAM-R (outcome-heavy)",
    "alignment_heavy": "DREAM-R (alignment-heavy)",
    "length_heavy": "DREAM-R (length-heavy)",
    "outcome_first": "DREAM-R (outcome first)",
}


class Sentence(NamedTuple):
    """A quantity in words."""

    words: str  # with {method}, {other} and {value}
    kind: str  # how its number looks: a name of FORMATS
    timed: bool = False  # whether it rests on answers given one at a time


# Those of several tables; `X_change` is a difference on the same questions, `X_ratio` a quotient.
SENTENCES = {
    "speedup": Sentence("{method} is {value} times as fast as the target alone", "times", timed=True),
    # Not the quotient of two speed-ups, which are ratios of total times.
    "speed_ratio": Sentence("{method} is {value} times as fast as {other}, answer by answer", "times", timed=True),
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


OWN: dict[str, str] = {}  # names of methods with a loop of a user's own, as `name_own` was told


def name_own(methods: Mapping[str, Method]) -> None:
    """From now on in this process, a method with a loop of a user's own is called as that loop says."""
    OWN.update({name: f"{method.declared.label} ({name})" for name, method in methods.items() if "." in method.loop})


def label(method: str) -> str:
    """A method's name for people."""
    return LABELS.get(method) or OWN.get(method, method)


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


def bounds(row: Mapping[str, Any], quantity: str, kind: str) -> str:
    """The interval of a cell, " [1.84, 2.42]"; nothing where the data cannot tell."""
    low, high = (formatted(row[f"{quantity}_{end}"], kind) for end in ("low", "high"))
    return "" if low == UNKNOWN else f" [{low}, {high}]"


def sample(row: Mapping[str, Any], quantity: str, job: SummariseJob) -> str:
    """What an estimate rests on: "96 timed answers of 8 pairs"."""
    return _sample(row, SENTENCES[quantity].timed, job)


def _sample(row: Mapping[str, Any], timed: bool, job: SummariseJob) -> str:
    """Tables with both kinds of answers count the timed as `n_alone`."""
    size = formatted(row["n_alone"] if timed and "n_alone" in row else row["n"], "count")
    return f"{size} {'timed ' if timed else ''}answers of {place(row, job)}"


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
    return where if row["benchmark"] == ALL else f"{where} on {row['benchmark']}{part}"


def sentence(row: Mapping[str, Any], quantity: str, job: SummariseJob, told: Sentence | None = None) -> str:
    """A cell in words, without a full stop: "DREAM-R is 2.10 times as fast ... [1.84, 2.42], 96 timed ..."."""
    words, kind, timed = told or SENTENCES[quantity]
    names = {"method": label(row["method"]), "other": _other(row.get("other", BASELINE))}
    text = words.format(value=formatted(row[quantity], kind), **names)
    return f"{text[0].upper()}{text[1:]}{bounds(row, quantity, kind)}, {_sample(row, timed, job)}"


def _other(method: str) -> str:
    return "the target alone" if method == BASELINE else label(method)
