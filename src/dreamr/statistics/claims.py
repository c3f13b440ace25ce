"""The paper's claims, each with a rule that reads a verdict from the tables.

A claim holds tests of single table cells. A test is met where the whole interval meets it, broken where the whole
interval breaks it, and open in between. All met: consistent. One broken: inconsistent. Else: inconclusive. A number
(`contains`) is met where our interval contains it, else broken: here "consistent" says no more than that, and a wide
interval contains much. A claim about absolute numbers of the paper's models is not testable at another scale.
"""

from collections.abc import Mapping, Sequence
from math import inf, isnan
from pathlib import Path
from typing import Any, Literal, Self

import pandas as pd
import yaml
from pydantic import ValidationError, model_validator

from dreamr.config import Spec
from dreamr.errors import UserError
from dreamr.statistics.intervals import Interval

CheckOutcome = Literal["met", "broken", "open"]
ClaimVerdict = Literal["consistent", "inconsistent", "inconclusive", "not testable at this scale"]


class Check(Spec):
    """A quantity of the rows with these keys, against a bound or the same quantity in another row (intervals apart)."""

    table: str
    row: dict[str, str]
    quantity: str
    above: float | None = None
    below: float | None = None
    contains: float | None = None
    below_row: dict[str, str] | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        given = [name for name in ("above", "below", "contains", "below_row") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a test takes one of above, below, contains and below_row, not {given}")
        return self


class PaperClaim(Spec):
    """What the paper, or a predecessor, says."""

    id: str
    text: str
    source: str  # where it was read
    doubt: str = ""  # why the number may be wrong; a doubted number is never a goal
    scale: Literal["paper", "any"]  # "any": a direction, which tiny models can show as well
    section: str  # of the page, where the evidence lies
    tests: tuple[Check, ...] = ()  # none: no table holds what it takes


def load_claims(path: Path) -> list[PaperClaim]:
    """All claims; a wrong key or value stops with its place."""
    claims = [_claim(path, entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]
    names = [claim.id for claim in claims]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"{path}: claims with one id: {', '.join(sorted(twice))}")
    return claims


def _claim(path: Path, entry: Any) -> PaperClaim:
    try:
        return PaperClaim.model_validate(entry)
    except ValidationError as error:
        name = entry.get("id") if isinstance(entry, dict) else entry
        raise UserError(f"{path}, claim {name!r}: {error}") from None


def judged(claims: Sequence[PaperClaim], tables: Mapping[str, pd.DataFrame], scale: str) -> pd.DataFrame:
    """One row per claim: verdict and the numbers it rests on."""
    lines = []
    for claim in claims:
        found = [(test, intervals(tables[test.table], test.row, test.quantity)) for test in claim.tests]
        outcomes = [one for test, rows in found for one in outcomes_of(test, rows, tables[test.table])]
        facts = claim.model_dump(include={"id", "text", "source", "doubt", "scale", "section"})
        shown = "; ".join(worded(test, rows) for test, rows in found)
        lines.append({**facts, "verdict": verdict(claim, outcomes, scale), "evidence": shown})
    return pd.DataFrame(lines)


def verdict(claim: PaperClaim, outcomes: Sequence[CheckOutcome], scale: str) -> ClaimVerdict:
    """The verdict on a claim from the outcomes of its checks."""
    if claim.scale == "paper" and scale != "paper":
        return "not testable at this scale"
    if "broken" in outcomes:
        return "inconsistent"
    return "consistent" if outcomes and set(outcomes) == {"met"} else "inconclusive"


def intervals(table: pd.DataFrame, row: Mapping[str, str], quantity: str) -> dict[str, Interval]:
    """The quantity in every row that has these keys, by the row's own keys; an unknown column is an error."""
    if table.empty:
        return {}
    if missing := ({*row, quantity, f"{quantity}_low"} - {*table}):
        raise UserError(f"a claim asks for {', '.join(sorted(missing))}, which its table does not have")
    fits = [all(line[key] == value for key, value in row.items()) for line in table.to_dict("records")]
    return {
        f"{line['target']} ← {line['draft']}, {line['method']}, {line['benchmark']}": Interval(
            line[quantity], line[f"{quantity}_low"], line[f"{quantity}_high"]
        )
        for line in table[fits].to_dict("records")
    }


def outcomes_of(test: Check, rows: Mapping[str, Interval], table: pd.DataFrame) -> list[CheckOutcome]:
    """One outcome a row, and where another row is named, a pair of rows; a row that was not run leaves a test open."""
    if test.below_row is None:
        return [outcome(test, row) for row in rows.values()] or ["open"]
    others = intervals(table, test.below_row, test.quantity)
    return [_apart(row, other) for row in rows.values() for other in others.values()] or ["open"]


def outcome(test: Check, found: Interval) -> CheckOutcome:
    """Unknown intervals leave a test open."""
    if isnan(found.low):
        return "open"
    if test.contains is not None:
        return "met" if found.low <= test.contains <= found.high else "broken"
    if test.above is not None:
        return _side(found, test.above, inf)
    assert test.below is not None
    return _side(found, -inf, test.below)


def _side(found: Interval, least: float, most: float) -> CheckOutcome:
    if least < found.low and found.high < most:
        return "met"
    return "broken" if found.high < least or most < found.low else "open"


def _apart(own: Interval, other: Interval) -> CheckOutcome:
    """Whether one interval lies wholly below the other: stricter than a test of the difference."""
    if own.high < other.low:
        return "met"
    return "broken" if other.high < own.low else "open"


def worded(test: Check, rows: Mapping[str, Interval]) -> str:
    """The evidence of one check in words."""
    if not rows:
        return f"{test.quantity}: not run"
    return "; ".join(f"{test.quantity} of {place}: {_interval(found)}" for place, found in rows.items())


def _interval(found: Interval) -> str:
    bounds = "interval unknown" if isnan(found.low) else f"{found.low:.3g} to {found.high:.3g}"
    return f"{found.value:.3g} ({bounds})"
