"""A speed-up as a product: fewer tokens, steps delegated to the draft, work that overlaps.

Tokens are those of the answer's text by the target's tokenizer, whoever wrote it. For a method whose settings another
one shares but for its schedule, and which runs one thing at a time, a token's time falls in two ways: *delegation* is
what the sequential method gains a token, since the draft writes what the target would have written, *overlap* what the
same text gains by work at the same time.
"""

from collections.abc import Mapping

import pandas as pd

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import CELL, alone, tabulate
from dreamr.statistics.intervals import Quantity, product, quotient, ratio, times

FEWER_TOKENS = times("target_tokens_alone", "tokens_by_target")


def time_per_token(suffix: str = "") -> Quantity:
    """The target's time per token over the method's, by its own neighbours; `suffix` names another method's columns."""
    return product(
        ratio(f"baseline_seconds{suffix}", "target_tokens_alone"),
        ratio(f"tokens_by_target{suffix}", f"seconds{suffix}"),
    )


SPLIT: dict[str, Quantity] = {
    "speedup": times("baseline_seconds", "seconds"),
    "fewer_tokens": FEWER_TOKENS,
    "delegation": time_per_token("_other"),
    "overlap": quotient(time_per_token(), time_per_token("_other")),
}


def split(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Speed-up = fewer_tokens x delegation x overlap, on questions that the sequential twin was timed on as well."""
    twins = sequential_twins(job.methods)
    others = [rows[rows.method == twin].assign(method=name) for name, twin in twins.items()]
    columns = ["baseline_seconds", "seconds", "tokens_by_target", "untimed"]
    other = pd.concat([rows.iloc[:0], *others])[CELL + columns]
    paired = rows.merge(other, on=CELL, suffixes=("", "_other"), validate="one_to_one")
    return tabulate(alone(paired), job, SPLIT)


def sequential_twins(methods: Mapping[str, Method]) -> dict[str, str]:
    """Methods in which the target judges steps, each with the sequential one that writes the same text, where named.

    A loop declares which one writes its text in batches. One of another text has no twin, even if all settings agree.
    """
    sequential = {method: name for name, method in methods.items() if method.declared.sequential}
    return {name: sequential[method.batched] for name, method in methods.items() if method.batched in sequential}
