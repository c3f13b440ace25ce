"""The paper's claims as our sources have them, each with a rule that reads a verdict from the tables.

A claim holds tests of single table cells. Each has a p: the table's own where the cell is a contrast and the bound its
null or the margin, else that of the interval (Altman and Bland 2011), which is below the level where the interval
leaves the bound out. A test is met where that is so on its side; a number (`contains`) where it is not. All met:
consistent, and as all must be, each at the level by itself. One broken: inconsistent, and as one is enough, p is
corrected by Holm over the claim's tests. No table with a number: not run. Else: inconclusive. For a number "consistent"
says no more than that our interval contains it, and a wide interval contains much. Where a test has a row over all
pairs, that one is tested, and the rows of single pairs are told beside it.

A claim about absolute numbers of the paper's models is not testable at another scale. What the lessons of the micro
world put into its models is a planted effect there: finding it says that the code works, nothing of the paper. A cell
that speaks of a recipe but rests on one training leaves its test open.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import Any, Literal, Self

import pandas as pd
import yaml
from pydantic import ValidationError, model_validator

from dreamr.config import Spec, faults
from dreamr.errors import UserError
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL
from dreamr.statistics.intervals import Interval, holm, p_of_interval
from dreamr.statistics.paired import ONE_TRAINING
from dreamr.statistics.words import FORMATS, SENTENCES, Sentence, bounds, estimate, formatted, place, sentence

# Where a statement of the paper was read. Neither its text nor its code was at hand when this was built.
PaperSource = Literal["abstract", "opening", "digest (not checked against the paper)"]
CheckOutcome = Literal["met", "broken", "open"]
ClaimVerdict = Literal[
    "consistent",
    "inconsistent",
    "inconclusive",
    "not run",
    "not tested",
    "planted effect found",
    "planted effect not found",
    "not testable at this scale",
]
NO_TABLE = pd.DataFrame()  # of a study that is not there
CONTRASTS = "contrasts"  # a row for each comparison that was run; elsewhere a row may lack what it is held against


class Cell(Spec):
    """A quantity of every row with these keys."""

    table: str
    row: dict[str, str]
    quantity: str
    sentence: Sentence | None = None  # of a quantity that has another meaning in this table, or none elsewhere

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        """The evidence is a sentence: the claim's own, or that of a known quantity."""
        if self.sentence is None and self.quantity not in SENTENCES:
            raise ValueError(f"no sentence tells of {self.quantity!r}; give one, or allowed: {', '.join(SENTENCES)}")
        if self.told.kind not in FORMATS:
            raise ValueError(f"no number looks like {self.told.kind!r}; allowed: {', '.join(FORMATS)}")
        return self

    @property
    def told(self) -> Sentence:
        """Its quantity in words."""
        return self.sentence or SENTENCES[self.quantity]


class Check(Cell):
    """A cell against a bound."""

    above: float | None = None
    below: float | None = None
    contains: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        given = [name for name in ("above", "below", "contains") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a test takes one of above, below and contains, not {given}")
        return self

    @property
    def bound(self) -> float:
        """The number that the quantity is held against."""
        return next(bound for bound in (self.above, self.below, self.contains) if bound is not None)

    @property
    def no_difference(self) -> float:
        """The value of the quantity where two methods are alike."""
        return 1.0 if self.quantity.endswith(("_ratio", "speedup")) else 0.0


class PaperClaim(Spec):
    """What the paper says, by the source in which that was read."""

    id: str
    text: str
    source: PaperSource
    remark: str = ""  # on the source: the figure, how many digests have it, what is our reading
    doubt: str = ""  # why the number may be wrong; a doubted number is never a goal
    # any: a direction, which tiny models can show as well; planted: one that the micro models were taught;
    # gpu: one that takes a GPU; paper: numbers of the paper's models
    scale: Literal["any", "planted", "gpu", "paper"]
    section: str  # of the page, where the evidence lies
    headline: bool = False  # stands open on the page
    decided_in: Literal["depth", "ablations", "accuracy"] = "depth"  # scale of the kept run that has most to say of it
    tests: tuple[Check, ...] = ()  # none: no table holds what it takes
    depends_on: tuple[Cell, ...] = ()  # what may turn its verdict: told with the evidence, and tested by nothing


@dataclass(frozen=True)
class Finding:
    """What a check found in one row of its table."""

    check: Check
    row: dict[str, Any]
    interval: Interval
    p: float  # that the quantity is the bound; NaN where the data cannot tell

    @property
    def over(self) -> str:
        """What varies in interval and p, where the table says so."""
        return str(self.row.get("over", ""))


def load_claims(*paths: Path) -> list[PaperClaim]:
    """All claims; a wrong key or value, or a claim without a source, is a UserError with its place."""
    claims = [_claim(path, entry) for path in paths for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]
    names = [claim.id for claim in claims]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"{', '.join(map(str, paths))}: claims with one id: {', '.join(sorted(twice))}")
    return claims


def _claim(path: Path, entry: Any) -> PaperClaim:
    try:
        return PaperClaim.model_validate(entry)
    except ValidationError as error:
        name = entry.get("id") if isinstance(entry, dict) else entry
        raise UserError(f"{path}, claim {name!r}: {faults(error)}") from None


def judged(claims: Sequence[PaperClaim], tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> pd.DataFrame:
    """One row per claim: verdict and the numbers it rests on."""
    lines, confidence = [], job.statistics.confidence
    for claim in claims:
        checks = [(check, list(findings(check, tables.get(check.table, NO_TABLE), job))) for check in claim.tests]
        facts = claim.model_dump(exclude={"tests", "depends_on"})
        ran = any(rows for _, rows in checks)
        tested = [(check, whole_or_all(rows)) for check, rows in checks]
        results = outcomes([rows for _, rows in tested], 1 - confidence)
        answer = verdict(claim, results, job, ran)
        texts = [evidence(check, rows, job) for check, rows in checks] if ran or answer == "not run" else []
        texts += conditions(claim.depends_on, tables, job) if ran else []
        told = {"verdict": answer, "met": results.count("met"), "checks": len(results)}
        told["unmeasured"] = sum(not rows for _, rows in checks)
        left = open_parts(tested, results, job) if answer == "inconclusive" else ""
        lines.append({**facts, **told, "open": left, "evidence": " ".join(dict.fromkeys(texts))})
    return pd.DataFrame(lines)


def verdict(claim: PaperClaim, results: Sequence[CheckOutcome], job: SummariseJob, ran: bool) -> ClaimVerdict:
    """The verdict on a claim from the outcomes of its checks; `ran`: whether any of them found a number."""
    if (claim.scale == "paper" and job.scale != "paper") or (claim.scale == "gpu" and job.taught):
        return "not testable at this scale"
    if not ran:
        return "not run" if claim.tests else "not tested"
    planted = claim.scale == "planted" and job.taught
    if "broken" in results:
        return "planted effect not found" if planted else "inconsistent"
    if results and set(results) == {"met"}:
        return "planted effect found" if planted else "consistent"
    return "inconclusive"


def findings(check: Check, table: pd.DataFrame, job: SummariseJob) -> Iterator[Finding]:
    """The quantity in every row of the check; an unknown column is an error."""
    name = check.quantity
    nulls = {check.no_difference: f"{name}_p", -job.statistics.margin: f"{name}_margin_p"}  # by the table's own p
    for row in _rows(check, table):
        interval = Interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
        p = row.get(nulls.get(check.bound, ""))
        if p is None:
            p = p_of_interval(interval, check.bound, job.statistics.confidence)
        yield Finding(check, row, interval, p)


def whole_or_all(found: Sequence[Finding]) -> Sequence[Finding]:
    """What is tested of a check's rows: that over all pairs; all of them where there is none."""
    return [finding for finding in found if finding.row["target"] == finding.row["draft"] == ALL] or found


def _rows(cell: Cell, table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows that have the cell's keys and a number there; an unknown column is an error."""
    if table.empty:
        return []
    name = cell.quantity
    if missing := ({*cell.row, name, f"{name}_low"} - {*table}):
        raise UserError(f"a claim asks for {', '.join(sorted(missing))}, which its table does not have")
    rows = table.to_dict("records")
    return [row for row in rows if not isnan(row[name]) and all(row[key] == value for key, value in cell.row.items())]


def outcomes(by_check: Sequence[Sequence[Finding]], level: float) -> list[CheckOutcome]:
    """One outcome a row, all rows of a claim's checks together; a check without a row is open."""
    tested = [finding for rows in by_check for finding in rows]
    known = [nan if finding.over == ONE_TRAINING else finding.p for finding in tested]
    results = [
        _outcome(finding, p, corrected, level) for finding, p, corrected in zip(tested, known, holm(known), strict=True)
    ]
    absent: list[CheckOutcome] = ["open" for rows in by_check if not rows]
    return results + absent


def _outcome(finding: Finding, p: float, corrected: float, level: float) -> CheckOutcome:
    """Unknown p leave a test open, and so does a distance that only the correction takes away."""
    check, apart = finding.check, p <= level
    if check.contains is not None:
        right = not isnan(p) and not apart
    else:
        right = apart and (finding.interval.value > check.bound) == (check.above is not None)
    if right:
        return "met"
    return "broken" if corrected <= level and apart else "open"


def open_parts(
    checks: Sequence[tuple[Check, Sequence[Finding]]], results: Sequence[CheckOutcome], job: SummariseJob
) -> str:
    """What the parts of a claim show that its tests leave open: estimates, and which of them point the other way.

    `results` has an outcome for each row of the checks, in their order.
    """
    tested = [finding for _, rows in checks for finding in rows]
    left = [finding for finding, result in zip(tested, results, strict=False) if result == "open"]
    return "; ".join(dict.fromkeys(_open_part(finding, job) for finding in left))


def _open_part(finding: Finding, job: SummariseJob) -> str:
    check = finding.check
    against = check.contains is None and (finding.interval.value > check.bound) != (check.above is not None)
    over = f" over {finding.over}" if finding.over else ""
    told = estimate(finding.row, check.quantity, check.told, job)
    if finding.row["target"] != ALL:
        told += f" ({place(finding.row, job)})"
    return told + over + (", which points the other way" if against else "")


def evidence(check: Check, rows: Sequence[Finding], job: SummariseJob) -> str:
    """The evidence of one check: a sentence for one row, the pool of all pairs if there, numbers for others."""
    if not rows:
        methods = " against ".join(job.label(check.row[key]) for key in ("method", "other") if key in check.row)
        return f"{methods}: {'not measured' if check.table == CONTRASTS else f'not in the table {check.table}'}."
    first, *others = sorted(rows, key=lambda other: other.row["target"] != ALL)
    others = [other for other in others if other.row["draft"] != ALL]
    text = sentence(first.row, check.quantity, job, check.told) + _test(first)
    kind = check.told.kind
    more = [f"{formatted(other.interval.value, kind)}{bounds(other.row, check.quantity, kind)}" for other in others]
    parts = [f"{place(other.row, job)} {number}{_test(other)}" for other, number in zip(others, more, strict=True)]
    return f"{text}. {'Apart: ' + '; '.join(parts) + '.' if parts else ''}".strip()


def conditions(cells: Sequence[Cell], tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> list[str]:
    """What a verdict depends on, as it is in this run."""
    found = [(cell, row) for cell in cells for row in _rows(cell, tables.get(cell.table, NO_TABLE))]
    told = [f"{estimate(row, cell.quantity, cell.told, job)}." for cell, row in found]
    return ["It depends on this.", *told] if told else []


def _test(finding: Finding) -> str:
    """The p of a row, against which bound, and what it is over, in brackets."""
    check = finding.check
    p = "" if isnan(finding.p) else f"p {formatted(finding.p, 'p')}"
    if p and check.bound != check.no_difference:
        p += f" against {formatted(check.bound, check.told.kind)}"
    over = f"over {finding.over}" if finding.over else ""
    if finding.over == ONE_TRAINING:
        over = "rests on one training of a draft, which cannot speak of its recipe"
    text = ", ".join(part for part in (p, over) if part)
    return f" ({text})" if text else ""
