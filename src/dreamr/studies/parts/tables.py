"""Parts of the questions: where a method's accuracy differs from the target's."""

from collections.abc import Callable

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ACCURACY_CHANGE
from dreamr.statistics.frame import KEYS, batched, verifying
from dreamr.statistics.intervals import Quantity, share
from dreamr.statistics.pooling import tabulate

EXPLAINED: dict[str, Quantity] = {
    "accuracy": share("correct"),
    "accuracy_change": ACCURACY_CHANGE,
    "target_accuracy": share("target_correct"),
}
# Parts of a method's answers in which a change of accuracy against the target may have its cause.
PARTS: dict[str, Callable[[pd.DataFrame], "pd.Series[bool]"]] = {
    "all": lambda rows: rows.n > 0,
    "draft wrote the answer": lambda rows: rows.answer_writer == "draft",
    "target wrote the answer": lambda rows: rows.answer_writer == "target",
    "neither was cut": lambda rows: _whole(rows) & (rows.truncated == 0) & (rows.target_truncated == 0),
    "shorter than the target's": lambda rows: _whole(rows) & (rows.tokens_by_target < rows.target_tokens_alone),
    "not shorter": lambda rows: _whole(rows) & (rows.tokens_by_target >= rows.target_tokens_alone),
    "refused to one of them": lambda rows: ~_whole(rows),
    "in a training set": lambda rows: rows.overlaps == 1,
    "in no training set": lambda rows: rows.overlaps == 0,
}


def _whole(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Whether both the method and the target by itself were let answer."""
    return (rows.refused != 1) & (rows.target_refused != 1)


def explained(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy and its change on parts of the questions that could explain a change, as column `part`."""
    steps = verifying(batched(rows))
    parts = [steps[chosen(steps)].assign(part=name) for name, chosen in PARTS.items()]
    return tabulate(pd.concat(parts), job, EXPLAINED, [*KEYS, "part"])
