"""From scores to tables: every number of the report, with its interval.

A table has key columns (`all` in one of them is a pool over it), then `n` rows, `clusters` and for each quantity X the
columns `X`, `X_low`, `X_high`; an empty cell is unknown. Rows of mode "batched" (all questions) carry accuracy,
acceptance and tokens; rows of mode "alone" (one question at a time on a quiet machine) carry time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dreamr.config import NO_DRAFT, PLAIN, Method
from dreamr.jobs import SummariseJob
from dreamr.records import Score, read_rows
from dreamr.stats import (
    Array,
    Bootstrap,
    Interval,
    Quantity,
    cluster_sums,
    difference,
    holm,
    mcnemar_p,
    mean,
    minimum_detectable,
    non_inferiority,
    product,
    ratio,
    unknown,
)

ALL = "all"
KEYS = ["target", "draft", "method", "benchmark"]
CELL = ["target", "draft", "method", "mode", "item"]
BASELINE = "target_only"
Key = dict[str, str]
Sums = dict[str, Array]  # per column one sum a cluster

IDS = dict.fromkeys(("question", "cluster", "training_question"), str)  # "007" is not 7
NO_OVERLAPS = pd.DataFrame(columns=["benchmark", "cluster"])  # nothing was audited

ACCURACY: dict[str, Quantity] = {
    "accuracy": mean("correct"),
    "accuracy_change": difference(mean("correct"), mean("target_correct")),
    "unresolved": mean("unresolved"),
    "truncated": mean("truncated"),
}
SPEED: dict[str, Quantity] = {
    "speedup": ratio("baseline_seconds", "seconds"),
    "seconds": mean("seconds"),
    "baseline_seconds": mean("baseline_seconds"),
    "tokens": mean("tokens"),
    "seconds_per_token": ratio("seconds", "tokens"),
    "device_seconds": mean("device_seconds"),
    "speedup_per_device": ratio("baseline_device_seconds", "device_seconds"),
    # speed-up = fewer_tokens x time_per_token
    "fewer_tokens": ratio("target_tokens_alone", "tokens"),
    "time_per_token": product(ratio("baseline_seconds", "target_tokens_alone"), ratio("tokens", "seconds")),
    "same_text": mean("same_text"),
}
ACCEPTANCE: dict[str, Quantity] = {
    "acceptance": ratio("accepted", "verified"),
    "verified": mean("verified"),
    "accepted": mean("accepted"),
    "tokens": mean("tokens"),
}
# Work that may be thrown away is only done where latency counts, so it is read off the timed answers.
WORK: dict[str, Quantity] = {
    "acceptance_drafted": ratio("accepted", "drafted"),
    "drafted": mean("drafted"),
    "draft_tokens": mean("draft_tokens"),
    "target_tokens": mean("target_tokens"),
}
# Accuracy without the questions that also stand in a training set.
CLEAN: dict[str, Quantity] = {
    "accuracy": mean("correct"),
    "accuracy_clean": ratio("clean_correct", "clean"),
    "accuracy_clean_change": difference(ratio("clean_correct", "clean"), mean("correct")),
    "target_change": difference(mean("correct"), mean("target_correct")),
    "target_change_clean": difference(ratio("clean_correct", "clean"), ratio("clean_target_correct", "clean")),
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
    "all": lambda rows: rows.verified > 0,
    "draft wrote the answer": lambda rows: rows.answer_writer == "draft",
    "target wrote the answer": lambda rows: rows.answer_writer == "target",
    "neither was cut": lambda rows: (rows.truncated == 0) & (rows.target_truncated == 0),
    "shorter than the target's": lambda rows: rows.tokens < rows.target_tokens_alone,
    "not shorter": lambda rows: rows.tokens >= rows.target_tokens_alone,
    "in a training set": lambda rows: rows.overlaps == 1,
    "in no training set": lambda rows: rows.overlaps == 0,
}
# What two methods, drafts or targets are compared by, on the same questions.
COMPARED_BATCHED: dict[str, tuple[str, str]] = {
    "accuracy": ("correct", "n"),
    "acceptance": ("accepted", "verified"),
    "tokens": ("tokens", "n"),
}
COMPARED_ALONE: dict[str, tuple[str, str]] = {
    "speedup": ("baseline_seconds", "seconds"),
    "seconds": ("seconds", "n"),
    "tokens_alone": ("tokens", "n"),
}
# An ablation varies some settings of the reference method and leaves the others alone; the narrowest kind is named.
KINDS: dict[str, set[str]] = {
    "window": {"window"},
    "schedule": {"loop", "window"},
    "alpha": {"alpha"},
    "verifier": {"verifier", "alpha", "threshold"},
    "rewards": {"draft"},
}


def read_table(path: Path) -> pd.DataFrame:
    """A table as written by cli.summarise; only an empty cell is unknown, never a word such as "none"."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=IDS)


def load_scores(paths: Iterable[Path], overlaps: pd.DataFrame) -> pd.DataFrame:
    return score_frame((row for path in paths for row in read_rows(path, Score)), overlaps)


def score_frame(scores: Iterable[Score], overlaps: pd.DataFrame = NO_OVERLAPS) -> pd.DataFrame:
    """All scores as one frame, with numeric columns only where sums make sense.

    `overlaps` is the contamination audit; one version of a problem in a training set taints all of its versions.
    """
    rows = pd.DataFrame([score.model_dump() for score in scores])
    if rows.empty:
        raise SystemExit("no scores: the files given hold no row")
    tainted = set(zip(overlaps.benchmark, overlaps.cluster, strict=True))
    rows["overlaps"] = [float(one in tainted) for one in zip(rows.benchmark, rows.cluster, strict=True)]
    rows["item"] = rows.benchmark + "/" + rows.question
    rows["cluster"] = pd.factorize(rows.benchmark + "/" + rows.cluster, sort=True)[0]
    twice = rows[rows.duplicated(CELL)]
    if len(twice):
        raise SystemExit(f"scored twice: {twice.iloc[0][CELL].to_dict()}; each cell may answer a question once")
    rows["n"] = 1.0
    for column in ("correct", "unresolved", "truncated", "same_text", "baseline_seconds"):
        rows[column] = rows[column].astype(float)
    return _beside_target(rows)


def _beside_target(rows: pd.DataFrame) -> pd.DataFrame:
    """Add what the target by itself did with the same question; NaN where it was not run."""
    alone = rows[rows.method == BASELINE]
    alone = alone[alone["mode"] == "batched"][["target", "item", "correct", "tokens", "truncated"]]
    names = {"correct": "target_correct", "tokens": "target_tokens_alone", "truncated": "target_truncated"}
    alone = alone.rename(columns=names)
    return rows.merge(alone, how="left", on=["target", "item"], validate="many_to_one")


def pools(rows: pd.DataFrame, job: SummariseJob, keys: list[str] = KEYS) -> Iterator[tuple[Key, Sums]]:
    """Cluster sums of each single cell, then of the pools: over drafts, over pairs, each per benchmark and over all."""
    pooled = complete(rows, job)
    for view in (rows, pooled.assign(draft=ALL), pooled.assign(target=ALL, draft=ALL)):
        names = [name for name, kind in view.dtypes.items() if kind.kind in "if" and name != "cluster"]
        numbers, clusters = view[names].to_numpy(dtype=float), view.cluster.to_numpy()
        for part in (view[keys], view[keys].assign(benchmark=ALL)):
            for key, place in part.groupby(keys, sort=True).indices.items():
                columns = dict(zip(names, numbers[place].T, strict=True))
                yield dict(zip(keys, key, strict=True)), cluster_sums(columns, clusters[place])


def complete(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Rows that may be pooled: the main experiment's, of methods that ran on all of its pairs or targets."""
    rows = rows[of_pairs(rows, job)]
    with_draft, without = set(job.pairs), {(target, NO_DRAFT) for target, _ in job.pairs}
    ran = {method: set(zip(part.target, part.draft, strict=True)) for method, part in rows.groupby("method")}
    return rows[rows.method.isin([method for method, cells in ran.items() if cells in (with_draft, without)])]


def of_pairs(rows: pd.DataFrame, job: SummariseJob) -> "pd.Series[bool]":
    """Which rows are of the main experiment: of a pair, or of a pair's target without a draft; others are controls."""
    cells = {*job.pairs, *((target, NO_DRAFT) for target, _ in job.pairs)}
    return pd.Series(
        [cell in cells for cell in zip(rows.target, rows.draft, strict=True)], index=rows.index, dtype=bool
    )


def tabulate(
    rows: pd.DataFrame, job: SummariseJob, quantities: Mapping[str, Quantity], keys: list[str] = KEYS
) -> pd.DataFrame:
    """One table row per group of `rows` with every quantity and its interval."""
    bootstrap = sampling(job)
    lines = [key | estimates(sums, bootstrap, quantities) for key, sums in pools(rows, job, keys)]
    empty = dict.fromkeys(quantities, Interval(nan))
    return pd.DataFrame(lines, columns=[*keys, "n", "clusters", *spread(empty)])


def sampling(job: SummariseJob) -> Bootstrap:
    return Bootstrap(job.statistics.resamples, job.statistics.confidence, job.statistics.seed)


def estimates(sums: Sums, bootstrap: Bootstrap, quantities: Mapping[str, Quantity]) -> dict[str, Any]:
    size = {"n": int(sums["n"].sum()), "clusters": len(sums["n"])}
    return size | spread(bootstrap.intervals(sums, quantities))


def spread(intervals: Mapping[str, Interval]) -> dict[str, float]:
    """X, X_low, X_high of each quantity."""
    cells = {}
    for name, interval in intervals.items():
        cells |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return cells


def batched(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["mode"] == "batched"]


def alone(rows: pd.DataFrame) -> pd.DataFrame:
    """Timed rows; times of different devices are refused, never averaged."""
    timed = rows[rows["mode"] == "alone"]
    if timed.device.nunique() > 1:
        raise SystemExit(f"times from different devices cannot be compared: {', '.join(sorted(set(timed.device)))}")
    return timed


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
    table["mcnemar_p_holm"] = main.groupby(["method", "benchmark"]).mcnemar_p.transform(holm)
    return table


def _accuracy_line(key: Key, sums: Sums, job: SummariseJob) -> dict[str, Any]:
    """Accuracy; of all but the target itself also lost and won questions, their test, and non-inferiority."""
    bootstrap = sampling(job)
    if key["method"] == BASELINE:
        return estimates(sums, bootstrap, {**ACCURACY, "accuracy_change": unknown}) | {"mcnemar_p": nan}
    line = estimates(sums, bootstrap, ACCURACY)
    change = Interval(line["accuracy_change"], line["accuracy_change_low"], line["accuracy_change_high"])
    lost, won = sums["lost"].sum(), sums["won"].sum()
    per_cluster = (sums["correct"] - sums["target_correct"]) * (line["clusters"] / line["n"])
    # A pool over pairs asks the same question several times: no test of independent questions.
    single = ALL not in (key["target"], key["draft"])
    return line | {
        "lost": lost,
        "won": won,
        "mcnemar_p": mcnemar_p(int(lost), int(won)) if single and not isnan(lost + won) else nan,
        "non_inferior": non_inferiority(change, job.statistics.margin),
        "detectable_change": minimum_detectable(per_cluster, job.statistics.confidence),
    }


def versions(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy per problem version, and of rotated questions answered right in every rotation."""
    rows = batched(rows)
    by_version = rows[rows.benchmark.isin(job.versioned)]
    rotated = rows[rows.benchmark.isin(job.circular)]
    judged = ["correct", "target_correct", "unresolved", "truncated", "n"]
    whole = rotated.groupby([*KEYS, "mode", "cluster"], as_index=False)[judged].min().assign(version="circular")
    parts = pd.concat([by_version, whole], ignore_index=True)
    table = tabulate(parts, job, ACCURACY, [*KEYS, "version"])
    return table[table.benchmark != ALL].reset_index(drop=True)


def speed(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Times of questions answered alone, each beside a target-only run of the same question.

    Device seconds are an engine's busy seconds times the devices that it holds, of both engines together.
    """
    timed = alone(rows)
    target, draft = (names.map({**job.devices, NO_DRAFT: 0}).astype(float) for names in (timed.target, timed.draft))
    columns = {
        "device_seconds": target * timed.target_busy + draft * timed.draft_busy,
        "baseline_device_seconds": target * timed.baseline_seconds,
    }
    return tabulate(timed.assign(**columns), job, SPEED)


def acceptance(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Steps drafted, verified and accepted; both readings of acceptance, and tokens generated per answer."""
    rows = rows[rows.verified.groupby(rows.method).transform("sum") > 0]
    work = tabulate(alone(rows), job, WORK).rename(columns={"n": "n_alone"}).drop(columns="clusters")
    return tabulate(batched(rows), job, ACCEPTANCE).merge(work, how="left", on=KEYS)


def explained(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy and its change on parts of the questions that could explain a change, as column `part`."""
    steps = batched(rows)[lambda r: r.verified > 0]
    parts = [steps[chosen(steps)].assign(part=name) for name, chosen in PARTS.items()]
    table = tabulate(pd.concat(parts), job, {**ACCURACY, "target_accuracy": mean("target_correct")}, [*KEYS, "part"])
    return table.drop(columns=[name for name in table if name.startswith(("unresolved", "truncated"))])


def clean(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Every accuracy with and without the questions that overlap with a training set, and the paired change."""
    rows = batched(rows)
    free = 1 - rows.overlaps
    columns = {"clean": free, "clean_correct": free * rows.correct, "clean_target_correct": free * rows.target_correct}
    return tabulate(rows.assign(**columns), job, CLEAN)


def harness(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Our verdicts beside the harness's, and where they part."""
    rows = batched(rows)
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


def contamination(overlaps: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """How many questions of each benchmark also stand in each training set, by what evidence."""
    evidence = ["by_image", "by_text", "by_source"]
    keys = ["benchmark", "training_set"]
    if overlaps.empty:
        return pd.DataFrame(columns=[*keys, "questions", "overlapping", *evidence])
    found = overlaps.groupby([*keys, "question"])[evidence].any().assign(overlapping=True)
    counts = found.groupby(keys)[["overlapping", *evidence]].sum().reset_index()
    counts.insert(2, "questions", counts.benchmark.map(rows.groupby("benchmark").item.nunique()))
    return counts


def compare(
    rows: pd.DataFrame, others: pd.DataFrame, job: SummariseJob, suffix: str, keys: list[str] = KEYS
) -> pd.DataFrame:
    """Each quantity of `rows`, of `others` (X_<suffix>) and the change between them on the same questions.

    `others` is matched on target, draft, method, mode and question; rename its keys first.
    """
    columns = sorted({name for pair in (*COMPARED_BATCHED.values(), *COMPARED_ALONE.values()) for name in pair})
    paired = rows.merge(others[CELL + columns], on=CELL, suffixes=("", "_other"), validate="many_to_one")
    quantities = [_compared(pairs, suffix) for pairs in (COMPARED_BATCHED, COMPARED_ALONE)]
    accuracy_part = tabulate(batched(paired), job, quantities[0], keys)
    time_part = tabulate(alone(paired), job, quantities[1], keys).rename(columns={"n": "n_alone"})
    return accuracy_part.merge(time_part.drop(columns="clusters", errors="ignore"), how="left", on=keys)


def _compared(pairs: Mapping[str, tuple[str, str]], suffix: str) -> dict[str, Quantity]:
    quantities = {}
    for name, (above, below) in pairs.items():
        here, there = ratio(above, below), ratio(f"{above}_other", f"{below}_other")
        quantities |= {name: here, f"{name}_{suffix}": there, f"{name}_change": difference(here, there)}
    return quantities


def sapo(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The trained draft against the plain one, same target and loop; column `over` says what varies in an interval."""
    twins = trained_twins(job.methods, job.reference)
    plain = rows[rows.method.isin(twins.values())]
    plain = plain.assign(method=plain.method.map({old: new for new, old in twins.items()}))
    table = compare(rows[rows.method.isin(twins)], plain, job, "plain").assign(over="questions")
    return pd.concat([table, over_pairs(table, job)], ignore_index=True)


def trained_twins(methods: Mapping[str, Method], reference: str) -> dict[str, str]:
    """Methods with the reference's SAPO draft, each with the method that is the same but for its plain draft."""
    recipe = methods[reference].draft
    plain = {method: name for name, method in methods.items() if method.draft == PLAIN}
    trained = {name: method for name, method in methods.items() if method.draft == recipe != PLAIN}
    untrained = {name: method.model_copy(update={"draft": PLAIN}) for name, method in trained.items()}
    return {name: plain[method] for name, method in untrained.items() if method in plain}


def over_pairs(table: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Mean over the pairs of each quantity, the pairs themselves resampled; `n` and `n_alone` count pairs.

    Each pair is a training of its own, and the interval takes the pairs as independent. They share drafts and targets,
    so for new drafts or targets it is too narrow.
    """
    values = [name for name in table if f"{name}_low" in table]
    single = table[(table.target != ALL) & (table.draft != ALL)]
    quantities = {name: mean(name) for name in values}
    lines = []
    for (method, benchmark), part in single.groupby(["method", "benchmark"]):
        sums = {name: part[name].to_numpy(dtype=float) for name in values} | {"n": np.ones(len(part))}
        intervals = sampling(job).intervals(sums, quantities)
        key = {"target": ALL, "draft": ALL, "method": method, "benchmark": benchmark}
        size = {"n": len(part), "clusters": len(part), "n_alone": int(part.n_alone.notna().sum())}
        lines.append(key | size | spread(intervals) | {"over": "pairs"})
    return pd.DataFrame(lines)


def quantization(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Each quantized target against the model it was made from, wherever both ran the same method."""
    bases = {base: target for target, base in job.quantized.items()}
    full = rows[rows.target.isin(bases)].assign(target=lambda r: r.target.map(bases))
    return compare(rows[rows.target.isin(job.quantized)], full, job, "unquantized")


def ablation(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Each ablated method against the reference on the same pair and questions; the reference itself for comparison."""
    members = ablated(job.methods, job.reference)
    where = rows[rows.method.isin(members.method)]
    reference = rows[rows.method == job.reference].merge(where[["target", "draft", "mode", "item"]].drop_duplicates())
    ran = pd.concat([where, reference])
    others = [reference.assign(method=name) for name in ran.method.unique()]
    table = compare(ran, pd.concat([reference.iloc[:0], *others]), job, "reference")
    own = [(kind, setting(kind, job.methods[job.reference]), job.reference) for kind in members.kind.unique()]
    table = pd.concat([members, pd.DataFrame(own, columns=members.columns)]).merge(table, on="method")
    table.loc[table.method == job.reference, [name for name in table if name.endswith("_change")]] = nan
    return table[["kind", "setting", *[name for name in table if name not in ("kind", "setting")]]]


def ablated(methods: Mapping[str, Method], reference: str) -> pd.DataFrame:
    """Methods that differ from the reference in the settings of one kind only; columns kind, setting, method."""
    base = methods[reference].model_dump()
    lines = []
    for name, method in methods.items():
        varied = {key for key, value in method.model_dump().items() if value != base[key]}
        kind = next((kind for kind, settings in KINDS.items() if varied and varied <= settings), None)
        if kind and method.draft != PLAIN:  # the plain draft is the SAPO table's matter
            lines.append((kind, setting(kind, method), name))
    return pd.DataFrame(lines, columns=["kind", "setting", "method"])


def setting(kind: str, method: Method) -> str:
    """The varied setting in words."""
    return str(getattr(method, {"schedule": "loop", "rewards": "draft"}.get(kind, kind)))


def closed_form(acceptance: float, cost: float, window: int) -> float:
    """Speed-up of asynchronous lookahead with equal steps and free verdicts (Lookahead Reasoning, section 4).

    `cost` is the draft's time per step over the target's. The window binds only where the draft can fill it while the
    target writes one step.
    """
    a, c, k = acceptance, cost, window
    if c * k >= 1:
        return 1 / (c + (1 - c) * (1 - a))
    if a == 1:
        return float(k)  # the limit
    return (1 - a**k) / ((1 - a) + c * (a - a ** (k + 1) - k * (1 - a) * a**k))


TABLES = {
    "accuracy": accuracy,
    "versions": versions,
    "speed": speed,
    "acceptance": acceptance,
    "explained": explained,
    "clean": clean,
    "harness": harness,
    "sapo": sapo,
    "quantization": quantization,
    "ablation": ablation,
}
