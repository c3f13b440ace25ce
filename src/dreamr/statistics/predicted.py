"""Measured against predicted speed-ups, and the gate between a replay and a projection.

The replay runs the real loops on a virtual clock, with costs fitted elsewhere. It may speak of machines that nobody
measured only where it foretells those that were: the margins were set before anything was predicted.
"""

from math import nan

import numpy as np
import pandas as pd

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.closed_form import closed_form
from dreamr.statistics.frame import ALL, KEYS, tabulate
from dreamr.statistics.intervals import ratio

GATED = ("lookahead", "fpsr")  # loops that the gate asks for
MARGIN = 0.05  # of the pooled speed-up
QUESTION_MARGIN = 0.10  # of the median question's
SETTING = ["c", "v", "overhead", "machine"]  # of a projection: seconds of a draft's token, a verdict, a request over
# those of a target's token; "" or whose published speeds c comes from


def compared(answers: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Measured and predicted speed-up of each method, pair and benchmark, and of pools, with intervals over questions.

    `error` is the predicted over the measured speed-up, less one; `question_error` the median of its absolute value
    over questions; `closed_form` what theory says of acceptance and cost alone. `met` tells of a pool over everything
    whether the gate is met: both errors within their margins, set before anything was predicted.
    """
    measured = ratio("baseline_seconds", "seconds")
    predicted = ratio("predicted_baseline_seconds", "predicted_seconds")
    quantities = {
        "speedup": measured,
        "predicted": predicted,
        "error": lambda sums: predicted(sums) / measured(sums) - 1,
    }
    table, methods = tabulate(answers, job, quantities), job.methods
    extra = [_beyond_sums(_members(answers, row), methods[row["method"]]) for row in table.to_dict("records")]
    table = table.join(pd.DataFrame(extra, columns=["question_error", "closed_form"], index=table.index))
    within = (table.error.abs() <= MARGIN) & (table.question_error <= QUESTION_MARGIN)
    asked = (table[["target", "draft", "benchmark"]] == ALL).all(axis=1)
    asked &= table.method.map(lambda name: methods[name].loop in GATED)
    return table.assign(met=within.map({True: "yes", False: "no"}).where(asked))


def is_met(table: pd.DataFrame) -> bool:
    """Whether the gate is met by every method that it asks for."""
    asked = table.met.dropna()
    return len(asked) > 0 and bool((asked == "yes").all())


def projected(answers: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Projected speed-up over all pairs under each setting, the traces resampled."""
    table = tabulate(answers, job, {"projected": ratio("baseline_seconds", "seconds")}, [*KEYS, *SETTING])
    return table[(table[["target", "draft", "benchmark"]] == ALL).all(axis=1)]


def _members(answers: pd.DataFrame, row: dict[str, str]) -> pd.DataFrame:
    return answers[np.logical_and.reduce([(answers[key] == row[key]) | (row[key] == ALL) for key in KEYS])]


def _beyond_sums(part: pd.DataFrame, method: Method) -> dict[str, float]:
    """What is no function of sums over questions."""
    measured = part.baseline_seconds / part.seconds
    off = (part.predicted_baseline_seconds / part.predicted_seconds / measured - 1).abs()
    acceptance, cost = part.accepted.sum() / part.verified.sum(), part.draft_step.sum() / part.target_step.sum()
    known = part.verified.sum() > 0 and method.window is not None
    form = closed_form(acceptance, cost, method.window) if known and method.window else nan
    return {"question_error": float(off.median()), "closed_form": form}
