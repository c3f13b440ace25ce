"""Accuracy against the target, where it was lost, and what a table of it leaves out: refused and unreadable answers."""

from math import nan
from typing import Any

import numpy as np
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ACCURACY_CHANGE, EXACT, IDENTICAL, with_lost_and_won, with_texts
from dreamr.statistics.frame import ALL, BASELINE, KEYS, TRAINING, answered, batched, weights
from dreamr.statistics.intervals import (
    Array,
    Interval,
    Quantity,
    difference,
    holm,
    minimum_detectable,
    non_inferiority,
    share,
    total,
    unknown,
)
from dreamr.statistics.paired import flip_p
from dreamr.statistics.pooling import Group, Key, as_cells, estimated, of_pairs, pools, sampling, tabulate
from dreamr.statistics.shares import Exact, exact_share

ACCURACY: dict[str, Quantity] = {
    "accuracy": share("correct"),
    "accuracy_change": ACCURACY_CHANGE,
    "unresolved": share("unresolved"),
    "truncated": share("truncated"),
    "refused": share("refused"),
}
# Of the target itself.
UNTOLD = dict.fromkeys(("same_text_as_target", "lost", "won", "p", "non_inferior", "spread", "detectable_change"), nan)
LIMITS: dict[str, Exact] = EXACT | {name: exact_share(name) for name in ("unresolved", "truncated", "refused")}
# Our verdicts beside those of lmms-eval's rules; shares are of the answers that its rules settle.
HARNESS: dict[str, Quantity] = {
    "our_accuracy": share("ours_right", "settled"),
    "harness_accuracy": share("harness_right", "settled"),
    "harness_unresolved": share("harness_unresolved"),
    "disagreement": share("disagreement", "settled"),
    "only_ours": share("only_ours", "settled"),
    "only_harness": share("only_harness", "settled"),
}


def accuracy(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy of every method and its change against the target on the same questions.

    `same_text_as_target` is the share of answers with the target's own text, as in `with_texts`. If all have it, and
    the method's loop is lossless, the two are `identical`: there is no change to have an interval. `spread` is the
    standard deviation of a cluster's change, `detectable_change` the smallest true one that four of five runs find.
    """
    rows = with_lost_and_won(with_texts(batched(rows), job))
    table = pd.DataFrame([key | _accuracy_line(key, answers, job) for key, answers in pools(rows, job)])
    # A family: one method on one benchmark, or on all of them together, over the pairs. A control answers a question of
    # its own, so its test is corrected for none and corrects none.
    main = table[of_pairs(table, job)]
    table["p_holm"] = main.groupby(["method", "benchmark"]).p.transform(holm)
    return table


def _accuracy_line(key: Key, answers: Group, job: SummariseJob) -> dict[str, Any]:
    """Accuracy; of all but the target itself also lost and won questions, their test, and non-inferiority.

    `detectable_change` is told where intervals are over questions.
    """
    if key["method"] == BASELINE:
        return estimated(answers, sampling(job), {**ACCURACY, "accuracy_change": unknown}, LIMITS) | UNTOLD
    line = estimated(answers, sampling(job), ACCURACY, LIMITS)
    line["same_text_as_target"] = _share(answers.sums["same"], answers.sums["compared"])
    identical = job.methods[key["method"]].declared.lossless and line["same_text_as_target"] == 1
    line |= as_cells({"accuracy_change": Interval(0.0)}) if identical else {}
    change = Interval(line["accuracy_change"], line["accuracy_change_low"], line["accuracy_change_high"])
    return line | {
        "lost": answers.count("lost"),
        "won": answers.count("won"),
        "p": _p(answers, job),
        "non_inferior": IDENTICAL if identical else non_inferiority(change, job.statistics.margin),
        **_spread(answers, job),
    }


def _share(hits: Array, counts: Array) -> float:
    return float(hits.sum() / counts.sum()) if counts.any() else nan


def _p(answers: Group, job: SummariseJob) -> float:
    """Of no change: over trainings too, else by exchanging method and target in whole clusters."""
    if answers.crossed:
        return answers.crossed.p(ACCURACY_CHANGE)
    sides = {"correct": answers.sums["correct"], "correct_other": answers.sums["target_correct"]}
    return flip_p(sides, difference(total("correct"), total("correct_other")), job.statistics.seed)


def _spread(answers: Group, job: SummariseJob) -> dict[str, float]:
    """Standard deviation of a problem's change, and what it lets these questions detect with the drafts at hand."""
    sums = answers.sums
    changes = (sums["correct"] - sums["target_correct"]) / sums["n"].mean()
    detectable = nan if answers.crossed else minimum_detectable(changes, job.statistics.confidence)
    return {"spread": float(np.std(changes, ddof=1)) if len(changes) > 1 else nan, "detectable_change": detectable}


def versions(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy per problem version, and of rotated questions answered right in every rotation.

    A question that was asked in one rotation alone says nothing of the others.
    """
    rows = batched(rows)
    by_version = rows[rows.benchmark.isin(job.versioned)]
    rotated = rows[rows.benchmark.isin(job.circular)]
    rotated = rotated[rotated.groupby([*TRAINING, "cluster"]).cluster.transform("size") > 1]
    judged = ["correct", "target_correct", "unresolved", "truncated", "refused", "n"]
    whole = (
        rotated.groupby([*TRAINING, "benchmark", "cluster"], as_index=False)[judged].min().assign(version="circular")
    )
    parts = pd.concat([by_version, whole.assign(weight=weights(whole))], ignore_index=True)
    table = tabulate(parts, job, ACCURACY, [*KEYS, "version"])
    return table[table.benchmark != ALL].reset_index(drop=True)


def harness(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Our verdicts beside the harness's, and where they part."""
    rows = answered(batched(rows))
    settled = rows.harness_correct.notna()
    theirs, ours = rows.harness_correct.eq(True) & settled, rows.correct.eq(1) & settled
    columns = {
        "settled": settled,
        "ours_right": ours,
        "harness_right": theirs,
        "harness_unresolved": ~settled,
        "disagreement": theirs != ours,
        "only_ours": ours & ~theirs,
        "only_harness": theirs & ~ours,
    }
    return tabulate(rows.assign(**{name: column.astype(float) for name, column in columns.items()}), job, HARNESS)


REFUSED = ["target", "draft", "method", "mode", "benchmark", "question", "refused_by", "refusal"]


def refusals(rows: pd.DataFrame) -> pd.DataFrame:
    """Every question that an engine refused to a method: a wrong answer, by name and with the reason."""
    return rows.loc[rows.refused == 1, REFUSED].sort_values(REFUSED).reset_index(drop=True)


def fitting(rows: pd.DataFrame) -> pd.DataFrame:
    """How the questions of each benchmark fit each model, as found before they were asked; tokens of the prompt.

    Where methods give answers different budgets, the worst fit counts.
    """
    found = rows[["benchmark", "item", "fits"]].explode("fits").dropna(subset="fits").reset_index(drop=True)
    named = pd.DataFrame(list(found.fits), columns=["model", "tokens", "fits"])
    worst_first = found[["benchmark", "item"]].join(named).sort_values("fits", kind="stable")  # no, perhaps, yes
    each = worst_first.drop_duplicates(["model", "item"])
    both = pd.concat([each, each.assign(benchmark=ALL)])
    groups = both.assign(perhaps=both.fits == "perhaps", refused=both.fits == "no").groupby(["model", "benchmark"])
    counts = {"questions": ("item", "size"), "longest": ("tokens", "max")}
    counts |= {"perhaps_refused": ("perhaps", "sum"), "refused": ("refused", "sum")}
    return groups.agg(**counts).reset_index()
