"""What no schedule can beat, on every measured cell: a check of our own times and counts.

The steps that the target writes follow one another, so a method takes at least as long for an answer as the target
needs for the tokens that it wrote in it. With S the speed-up, tau the share of the answer that the target wrote, L1 and
L0 the tokens of the method's and of the target's own answer, this is S * tau * L1 / L0 <= 1. It holds without
token-level speculation, whatever runs at once.
"""

import pandas as pd

from dreamr.config import NO_DRAFT
from dreamr.errors import UserError
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, BASELINE, alone, fell_back
from dreamr.statistics.intervals import Quantity, share, times
from dreamr.statistics.pooling import tabulate

BOUND: dict[str, Quantity] = {
    "speedup": times("baseline_seconds", "seconds"),
    "written_by_target": share("own_tokens", "tokens"),
    # S * tau * L1 / L0, question by question
    "share_of_bound": times("least_seconds", "seconds"),
}


def against_bound(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """How much of an answer's time the target needs for its own tokens; `limit` is what noise may make of 1.

    `least_seconds` of a question is its target-only time, by the tokens that the target wrote of those that it writes
    alone. More than the whole never counts: a longer answer reads the question but once. `limit` is the upper end of
    the control's speed-up, the target timed against itself: a measure of how neighbours differ. What fell back to the
    target alone is such a control, and not held against the bound.
    """
    timed = alone(rows)
    judging = [name for name, method in job.methods.items() if method.verifier and method.ngram_tokens is None]
    judged = timed[timed.method.isin(judging) & ~fell_back(timed, job)]
    written = (judged.own_tokens / judged.target_own_tokens).clip(upper=1)
    table = tabulate(judged.assign(least_seconds=written * judged.baseline_seconds), job, BOUND)
    return table.assign(limit=table.target.map(_drift(timed, job)).fillna(1.0).clip(lower=1.0))


def _drift(timed: pd.DataFrame, job: SummariseJob) -> "pd.Series[float]":
    """Upper end of the control's speed-up by target, and over all of them."""
    control = tabulate(timed[timed.method == BASELINE], job, {"drift": BOUND["speedup"]})
    control = control[(control.benchmark == ALL) & ((control.draft == NO_DRAFT) | (control.target == ALL))]
    return control.set_index("target").drift_high.astype(float)


def refuse_broken(table: pd.DataFrame) -> None:
    """UserError where a whole interval lies beyond the limit; too few questions for an interval decide nothing."""
    broken = table[table.share_of_bound_low > table.limit]
    if len(broken):
        raise UserError(
            f"faster than possible: {'; '.join(map(_describe, broken.to_dict('records')))}. An answer takes at least "
            "as long as the target needs for what it wrote in it, so these times or token counts are wrong: was the "
            "machine busy in the target-only runs alone, did an engine remember the question? Remove the answers and "
            "run again"
        )


def _describe(row: dict[str, object]) -> str:
    return (
        f"{row['target']} ← {row['draft']}, {row['method']}, {row['benchmark']}: speed-up {row['speedup']:.2f} with "
        f"{row['written_by_target']:.0%} written by the target, {row['share_of_bound']:.2f} of what is possible "
        f"({row['share_of_bound_low']:.2f} to {row['share_of_bound_high']:.2f}; at most {row['limit']:.2f})"
    )
