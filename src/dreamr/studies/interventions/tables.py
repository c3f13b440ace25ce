"""Interventions: how a method's distance to the target moves when one possible cause of it is taken away.

On parts of the questions that differ anyway (the table `explained`) a cause can only be guessed at. Here one setting is
changed on all questions: more room for an answer, so that nothing is cut, or an answer line that only the target
writes. What that takes from the distance had this cause.
"""

import pandas as pd

from dreamr.config import NO_DRAFT
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import KEYS, batched
from dreamr.statistics.intervals import Quantity, difference, mean
from dreamr.statistics.interventions import Intervention, intervened
from dreamr.statistics.pooling import tabulate

KINDED = [*KEYS, "kind"]
SAME = ["target", "draft", "replicate", "item"]
_GAP = difference(mean("correct"), mean("beside"))
_GAP_WITHOUT = difference(mean("correct_without"), mean("beside_without"))
QUANTITIES: dict[str, Quantity] = {
    "accuracy": mean("correct"),
    "accuracy_without": mean("correct_without"),
    "accuracy_change": difference(mean("correct"), mean("correct_without")),
    "gap": _GAP,  # to the target by itself with the same budget
    "gap_without": _GAP_WITHOUT,
    "gap_change": difference(_GAP, _GAP_WITHOUT),
    "truncated": mean("truncated"),
    "truncated_without": mean("truncated_without"),
}


def interventions(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Each method with an intervention against itself without, and the distance of each to its target.

    All four answered the same questions. A pool is one over the pairs on which the intervention was tried.
    """
    parts = [_table(batched(rows), intervention, job) for intervention in intervened(job.own)]
    empty = tabulate(rows.iloc[:0].assign(kind=""), job, QUANTITIES, KINDED).assign(without="")
    return pd.concat([empty, *(part for part in parts if len(part))], ignore_index=True)


def _table(rows: pd.DataFrame, change: Intervention, job: SummariseJob) -> pd.DataFrame:
    own = rows[rows.method == change.method].assign(kind=change.kind)
    without = rows[rows.method == change.without][[*SAME, "correct", "truncated"]]
    paired = own.merge(without, on=SAME, suffixes=("", "_without"), validate="one_to_one")
    paired = paired.assign(beside_without=paired.target_correct)
    if job.methods[change.method].needs_draft:
        alone = rows[rows.method == change.target_alone][["target", "item", "correct"]].rename(
            columns={"correct": "beside"}
        )
        paired = paired.merge(alone, on=["target", "item"], validate="many_to_one")
    else:  # the target has no distance to itself
        paired = paired.assign(beside=float("nan"), beside_without=float("nan"))
    tried = set(zip(own.target, own.draft, strict=True))
    pairs = tuple(pair for pair in job.pairs if tried & {pair, (pair[0], NO_DRAFT)})
    return tabulate(paired, job.model_copy(update={"pairs": pairs}), QUANTITIES, KINDED).assign(without=change.without)
