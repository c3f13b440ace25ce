"""Acceptance against correctness: what becomes of an answer with wrong steps of the draft."""

from collections.abc import Callable

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, ALL_BENCHMARKS, answered
from dreamr.statistics.intervals import Quantity, difference, mean, ratio
from dreamr.statistics.pooling import tabulate

# How many wrong steps of the draft are in an answer: each number, and whether there was any.
NUMBERS: dict[str, Callable[["pd.Series[int]"], "pd.Series[bool]"]] = {
    ALL: lambda errors: errors >= 0,
    "0": lambda errors: errors == 0,
    "1": lambda errors: errors == 1,
    "2": lambda errors: errors == 2,
    "3 or more": lambda errors: errors >= 3,
    "1 or more": lambda errors: errors >= 1,
}
BY_ERRORS: dict[str, Quantity] = {
    "share": mean("inside"),  # of the answers
    "unread_errors": ratio("inside_unread", "inside"),  # wrong steps per answer that nobody judged
    "accuracy": ratio("inside_correct", "inside"),
    "target_accuracy": ratio("inside_target", "inside"),  # of the target by itself, on the same questions
    "accuracy_change": difference(ratio("inside_correct", "inside"), ratio("inside_target", "inside")),
    # Of the whole change of accuracy: those of all numbers add up to it.
    "contribution": difference(mean("inside_correct"), mean("inside_target")),
}


def answers_by_errors(answers: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy by the number of wrong draft steps, accepted or unread, before the answer line, all benchmarks together.

    And how much of the change of accuracy lies in these answers. `n` counts all answers of a cell that no engine
    refused; `share` of them have that number.
    """
    rows = answered(answers)
    parts = [_inside(rows, chosen(rows.errors).astype(float)).assign(errors=name) for name, chosen in NUMBERS.items()]
    table = tabulate(pd.concat(parts), job, BY_ERRORS, [*ALL_BENCHMARKS, "errors"])
    return table.sort_values("errors", key=lambda names: names.map([*NUMBERS].index), kind="stable", ignore_index=True)


def _inside(rows: pd.DataFrame, inside: "pd.Series[float]") -> pd.DataFrame:
    columns = {"correct": rows.correct, "target": rows.target_correct, "unread": rows.unread_errors}
    return rows.assign(inside=inside, **{f"inside_{name}": inside * values for name, values in columns.items()})
