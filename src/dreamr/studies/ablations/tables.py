"""Ablations: methods that differ from the reference in the settings of one kind."""

from math import isnan, nan

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ablations, beside, compare, opposite, setting
from dreamr.statistics.contrasts import DISTANCES
from dreamr.statistics.frame import ALL_BENCHMARKS, CELL, alone
from dreamr.statistics.intervals import Interval
from dreamr.statistics.paired import equivalence_p, student
from dreamr.statistics.pooling import SIZES, Group, as_cells, pools

MARGIN = 1.05  # our decision: mean times are alike if their quotient lies within 1 / MARGIN and MARGIN
TIMES = ["baseline_seconds", "seconds", "untimed"]
SPEED_RATIO = DISTANCES["speed_ratio"]


def ablation(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Each ablated method that ran against the reference on the same pair and questions; the reference beside them."""
    members = ablations(job)
    kinds = members[members.method.isin(rows.method)].groupby("kind", sort=False)
    parts = [_kind(rows, kind, part, job) for kind, part in kinds]
    empty = compare(rows.iloc[:0], opposite(rows, {}), job, "reference").assign(kind="", setting="")
    table = pd.concat([empty.iloc[:0], *parts], ignore_index=True)
    return table[["kind", "setting", *[name for name in table if name not in ("kind", "setting")]]]


def _kind(rows: pd.DataFrame, kind: str, members: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The methods of one kind, and the reference on their questions and trainings."""
    settings = dict(zip(members.method, members.setting, strict=True)) | {
        job.reference: setting(kind, job.methods[job.reference])
    }
    asked = rows[rows.method.isin(members.method)]
    same = asked[[name for name in CELL if name != "method"]].drop_duplicates()
    reference = rows[rows.method == job.reference].merge(same)
    ran = pd.concat([asked, reference])
    table = compare(ran, opposite(reference, dict.fromkeys(ran.method.unique(), job.reference)), job, "reference")
    table.loc[table.method == job.reference, [name for name in table if name.endswith("_change")]] = nan
    return table.assign(kind=kind, setting=table.method.map(settings))


def equivalence(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Whether each other schedule is as fast as the reference, on questions that both were timed on.

    `alike`: "equal" where two one-sided tests find the quotient of speed-ups within the margin (`p_equal`), "different"
    where its interval lies beyond, else "undecided"; "unknown" where questions are too few.
    """
    members = ablations(job)
    others = dict.fromkeys(members[members.kind == "schedule"].method, job.reference)
    paired = alone(beside(rows[rows.method.isin(others)], opposite(rows, others), TIMES, job))
    lines = [key | answers.size | _alike(answers, job) for key, answers in pools(paired, job, ALL_BENCHMARKS)]
    empty = as_cells({"speed_ratio": Interval(nan)})
    return pd.DataFrame(lines, columns=[*ALL_BENCHMARKS, "benchmark", *SIZES, *empty, "p_equal", "alike"])


def _alike(answers: Group, job: SummariseJob) -> dict[str, object]:
    confidence = job.statistics.confidence
    found, p = student(answers.sums, SPEED_RATIO, confidence), equivalence_p(answers.sums, SPEED_RATIO, MARGIN)
    return as_cells({"speed_ratio": found}) | {"p_equal": p, "alike": told(found, p, 1 - confidence)}


def told(found: Interval, p: float, level: float) -> str:
    """Equal, different, or neither shown."""
    if isnan(p):
        return "unknown"
    if p <= level:
        return "equal"
    return "different" if found.low > MARGIN or found.high < 1 / MARGIN else "undecided"
