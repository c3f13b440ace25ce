"""The tables that every question of a run goes into: what each method does, and where."""

from collections.abc import Callable
from math import isnan, nan
from typing import Any

import pandas as pd

from dreamr.config import NO_DRAFT
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.factors import FEWER_TOKENS, time_per_token
from dreamr.statistics.frame import (
    ALL,
    BASELINE,
    KEYS,
    Key,
    Sums,
    alone,
    answered,
    as_cells,
    batched,
    estimates,
    of_pairs,
    pools,
    sampling,
    tabulate,
)
from dreamr.statistics.intervals import (
    Interval,
    Quantity,
    difference,
    holm,
    mean,
    minimum_detectable,
    non_inferiority,
    ratio,
    total,
    unknown,
)
from dreamr.statistics.paired import flip_p
from dreamr.statistics.shares import change_interval, share_interval

ACCURACY: dict[str, Quantity] = {
    "accuracy": mean("correct"),
    "accuracy_change": difference(mean("correct"), mean("target_correct")),
    "unresolved": mean("unresolved"),
    "truncated": mean("truncated"),
    "refused": mean("refused"),
}
SHARES = {"accuracy": "correct", "unresolved": "unresolved", "truncated": "truncated", "refused": "refused"}
SPEED: dict[str, Quantity] = {
    "speedup": ratio("baseline_seconds", "seconds"),
    "seconds": mean("seconds"),
    "baseline_seconds": mean("baseline_seconds"),
    "tokens": mean("tokens_by_target"),
    "seconds_per_token": ratio("seconds", "tokens_by_target"),
    "busy_device_seconds": mean("busy_device_seconds"),
    "speedup_per_busy_device": ratio("baseline_device_seconds", "busy_device_seconds"),
    "held_device_seconds": mean("held_device_seconds"),
    "speedup_per_held_device": ratio("baseline_device_seconds", "held_device_seconds"),
    # speed-up = fewer_tokens x time_per_token
    "fewer_tokens": FEWER_TOKENS,
    "time_per_token": time_per_token(),
    "same_text": mean("same_text"),
}
ACCEPTANCE: dict[str, Quantity] = {
    "acceptance": ratio("accepted", "verified"),
    "verified": mean("verified"),
    "accepted": mean("accepted"),
    "tokens": mean("tokens_by_target"),
}
# Work that may be thrown away is only done where latency counts, so it is read off the timed answers.
WORK: dict[str, Quantity] = {
    "acceptance_drafted": ratio("accepted", "drafted"),
    "drafted": mean("drafted"),
    "draft_tokens": mean("draft_tokens"),
    "target_tokens": mean("target_tokens"),
}
# Our verdicts beside those of lmms-eval's rules; shares are of the answers that its rules settle.
HARNESS: dict[str, Quantity] = {
    "our_accuracy": ratio("ours_right", "settled"),
    "harness_accuracy": ratio("harness_right", "settled"),
    "harness_unresolved": mean("harness_unresolved"),
    "disagreement": ratio("disagreement", "settled"),
    "only_ours": ratio("only_ours", "settled"),
    "only_harness": ratio("only_harness", "settled"),
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


def accuracy(rows: pd.DataFrame, job: SummariseJob, keys: list[str] = KEYS) -> pd.DataFrame:
    """Accuracy of every method and its change against the target on the same questions."""
    rows = batched(rows).assign(
        lost=lambda r: (r.target_correct > r.correct).where(r.target_correct.notna()).astype(float),
        won=lambda r: (r.target_correct < r.correct).where(r.target_correct.notna()).astype(float),
    )
    lines = [key | _accuracy_line(key, sums, job) for key, sums in pools(rows, job, keys)]
    table = pd.DataFrame(lines)
    # A family: one method on one benchmark, or on all of them together, over the pairs. A control answers a question of
    # its own, so its test is corrected for none and corrects none.
    main = table[of_pairs(table, job)]
    table["p_holm"] = main.groupby(["method", "benchmark"]).p.transform(holm)
    return table


def _accuracy_line(key: Key, sums: Sums, job: SummariseJob) -> dict[str, Any]:
    """Accuracy; of all but the target itself also lost and won questions, their test, and non-inferiority."""
    bootstrap = sampling(job)
    if key["method"] == BASELINE:
        line = estimates(sums, bootstrap, {**ACCURACY, "accuracy_change": unknown}) | {"p": nan}
        return line | _exact(line, sums, job)
    line = estimates(sums, bootstrap, ACCURACY)
    line |= _exact(line, sums, job)
    change = Interval(line["accuracy_change"], line["accuracy_change_low"], line["accuracy_change_high"])
    lost, won = sums["lost"].sum(), sums["won"].sum()
    per_cluster = (sums["correct"] - sums["target_correct"]) * (line["clusters"] / line["n"])
    sides = {"correct": sums["correct"], "correct_other": sums["target_correct"]}
    return line | {
        "lost": lost,
        "won": won,
        "p": flip_p(sides, difference(total("correct"), total("correct_other")), job.statistics.seed),
        "non_inferior": non_inferiority(change, job.statistics.margin),
        "detectable_change": minimum_detectable(per_cluster, job.statistics.confidence),
    }


def _exact(line: dict[str, Any], sums: Sums, job: SummariseJob) -> dict[str, float]:
    """Cells of the intervals that the bootstrap left empty, since too few clusters differ, by exact limits."""
    confidence = job.statistics.confidence
    empty = [name for name in ACCURACY if isnan(line[f"{name}_low"]) and not isnan(line[name])]
    found = {name: share_interval(sums[SHARES[name]], sums["n"], confidence) for name in empty if name in SHARES}
    if "accuracy_change" in empty:
        found["accuracy_change"] = change_interval(sums["lost"], sums["won"], sums["n"], confidence)
    return as_cells(found)


def versions(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy per problem version, and of rotated questions answered right in every rotation."""
    rows = batched(rows)
    by_version = rows[rows.benchmark.isin(job.versioned)]
    rotated = rows[rows.benchmark.isin(job.circular)]
    judged = ["correct", "target_correct", "unresolved", "truncated", "refused", "n"]
    whole = rotated.groupby([*KEYS, "mode", "cluster"], as_index=False)[judged].min().assign(version="circular")
    parts = pd.concat([by_version, whole], ignore_index=True)
    table = tabulate(parts, job, ACCURACY, [*KEYS, "version"])
    return table[table.benchmark != ALL].reset_index(drop=True)


def speed(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Times of questions answered alone, each beside a target-only run of the same question.

    Device seconds are seconds times devices, of both engines together: *busy* ones count the time in which an engine
    had work, *held* ones the whole answer, since a device that is reserved and idles is not free. An engine on several
    threads of a CPU holds as many. `left_out` counts the timed questions that a refusal took from all methods of the
    same target and draft.
    """
    timed = alone(rows)
    target, draft = (names.map({**job.devices, NO_DRAFT: 0}).astype(float) for names in (timed.target, timed.draft))
    threads = {name: method.needs_target * (method.threads or 1) for name, method in job.methods.items()}
    held_target = target * timed.method.map(threads).astype(float)
    columns = {
        "busy_device_seconds": held_target * timed.target_busy + draft * timed.draft_busy,
        "held_device_seconds": (held_target + draft) * timed.seconds,
        "baseline_device_seconds": target * timed.baseline_seconds,
    }
    table = tabulate(timed.assign(**columns), job, SPEED)
    asked = pools(rows[rows["mode"] == "alone"], job)
    left_out = [key | {"left_out": int(sums["untimed"].sum())} for key, sums in asked]
    return table.merge(pd.DataFrame(left_out, columns=[*KEYS, "left_out"]), how="left", on=KEYS)


def acceptance(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Steps drafted, verified and accepted; both readings of acceptance, and tokens generated per answer."""
    rows = _verifying(rows)
    work = tabulate(alone(rows), job, WORK).rename(columns={"n": "n_alone"}).drop(columns="clusters")
    return tabulate(answered(batched(rows)), job, ACCEPTANCE).merge(work, how="left", on=KEYS)


def _verifying(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of methods in which the target judges steps."""
    return rows[rows.verified.groupby(rows.method).transform("sum") > 0]


def explained(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy and its change on parts of the questions that could explain a change, as column `part`."""
    steps = _verifying(batched(rows))
    parts = [steps[chosen(steps)].assign(part=name) for name, chosen in PARTS.items()]
    table = tabulate(pd.concat(parts), job, {**ACCURACY, "target_accuracy": mean("target_correct")}, [*KEYS, "part"])
    return table.drop(columns=[name for name in table if name.startswith(("unresolved", "truncated", "refused"))])


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
