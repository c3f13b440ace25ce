"""Benchmark questions that stand in training sets as well: what was found, what a training drew, and what it shows.

Does a training show on the questions that it drew? That is told by trained against other drafts, in two differences.

The difference in differences is (trained - other on exposed questions) - (trained - other on clean ones). A question is
exposed to a training that drew a likeness of it or of another version of its problem, and clean where no version stands
in a training set. What a training set holds but the training did not draw is neither: so no cluster is in both groups,
and each is resampled by itself. Within each training and benchmark the clean questions weigh as much as the exposed
ones, so that a benchmark or a training with more exposure than others does not count as an effect of it.
"""

from collections.abc import Mapping
from math import hypot, nan
from typing import Any

import numpy as np
import pandas as pd

from dreamr.config import PLAIN
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ACCURACY_CHANGE, twins
from dreamr.statistics.frame import ALL, batched
from dreamr.statistics.intervals import (
    LEAST_CLUSTERS,
    Array,
    Bootstrap,
    Interval,
    Quantity,
    cluster_sums,
    difference,
    informative,
    mean,
    minimum_detectable,
    ratio,
    resampling_weights,
)
from dreamr.statistics.pooling import Sums, as_cells, sampling, tabulate

EVIDENCE = ["by_image", "by_text", "by_source"]
TRAINING = ["target", "draft", "method", "against", "replicate"]
GROUPS = ("exposed", "clean")
CHANGE = difference(mean("correct", "weight"), mean("other", "weight"))
QUANTITIES: dict[str, Quantity] = {
    "accuracy": mean("correct", "weight"),
    "other": mean("other", "weight"),
    "change": CHANGE,
}
CELLS = [f"{name}_{group}{end}" for group in GROUPS for name in QUANTITIES for end in ("", "_low", "_high")]
SIZES = ["n", "clusters", *(f"{group}{what}" for group in GROUPS for what in ("", "_clusters"))]
COLUMNS = [*TRAINING, "benchmark", *SIZES, *CELLS, "effect", "effect_low", "effect_high", "detectable", "why"]

# Accuracy without the questions that also stand in a training set.
CLEAN: dict[str, Quantity] = {
    "accuracy": mean("correct"),
    "accuracy_clean": ratio("clean_correct", "clean"),
    "accuracy_clean_change": difference(ratio("clean_correct", "clean"), mean("correct")),
    "target_change": ACCURACY_CHANGE,
    "target_change_clean": difference(ratio("clean_correct", "clean"), ratio("clean_target_correct", "clean")),
}


def exposure(rows: pd.DataFrame, exposures: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """One row a training and, where a method has several, one over all of them; `why` says what an effect lacks.

    `exposures` is that of cli.audit. Groups: n answers in `exposed` and `clean`,
    problems in `exposed_clusters` and `clean_clusters`. `effect` is the difference in differences, `detectable` the
    smallest true one that four of five such experiments would show.
    """
    answers = weighted(grouped(paired_with_others(rows, job), rows, exposures, job))
    lines = []
    for (method, against), part in answers.groupby(["method", "against"]):
        each = [(key, one) for key, one in part.groupby(TRAINING)]
        if len(each) > 1:
            lines.append(_line((ALL, ALL, method, against, ALL), part, sampling(job)))
        lines += [_line(key, one, sampling(job)) for key, one in each]
    return pd.DataFrame(lines, columns=COLUMNS)


def contamination(audited: Mapping[str, pd.DataFrame], rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Questions of each benchmark that stand in each training set as well: planted, found, missed, drawn.

    `planted` and `missed` are unknown outside generated data sets. `overlapping` are found, by evidence; `drawn` are
    those of them that the usual training of the reference's draft asked.
    """
    keys = ["benchmark", "training_set"]
    seen = audited["exposures"]
    usual = seen[(seen.recipe == job.methods[job.reference].draft) & (seen.replicate == 0)]
    sides = {"overlapping": audited["overlaps"], "planted": audited["planted"], "drawn": usual}
    if all(table.empty for table in sides.values()):
        return pd.DataFrame(columns=[*keys, "questions", "planted", "overlapping", "missed", *EVIDENCE, "drawn"])
    marks = [
        pd.Series(True, index=pd.MultiIndex.from_frame(table[[*keys, "question"]].drop_duplicates()), name=name)
        for name, table in sides.items()
    ]
    evidence = audited["overlaps"].groupby([*keys, "question"])[EVIDENCE].any()
    each = pd.concat([*marks, evidence], axis=1).eq(True)
    each["missed"] = each.planted & ~each.overlapping
    counts = each.groupby(keys).sum().reset_index()
    counts["questions"] = counts.benchmark.map(rows.groupby("benchmark").item.nunique())
    if audited["planted"].empty:
        counts = counts.assign(planted=nan, missed=nan)
    return counts[[*keys, "questions", "planted", "overlapping", "missed", *EVIDENCE, "drawn"]]


def clean(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Every accuracy with and without the questions that overlap with a training set, and the paired change."""
    rows = batched(rows)
    free = 1 - rows.overlaps
    columns = {"clean": free, "clean_correct": free * rows.correct, "clean_target_correct": free * rows.target_correct}
    return tabulate(rows.assign(**columns), job, CLEAN)


def paired_with_others(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Answers with a trained draft beside those of the method `against`: as `other`, whether it was right.

    That is the same method with the plain draft; of a control also the one with the usual draft of the reference, which
    was trained alike on other questions, and so differs less in all but the exposure.
    """
    plain, usual = twins(job.own, PLAIN), twins(job.own, job.methods[job.reference].draft)
    pairs = [*plain.items(), *((name, usual[name]) for name in job.exposed if name in usual)]
    rows, place = batched(rows), ["target", "draft", "item", "against"]
    trained = rows.merge(pd.DataFrame(pairs, columns=["method", "against"]), on="method")
    others = rows[rows.replicate == 0].rename(columns={"method": "against", "correct": "other"})
    return trained.merge(others[[*place, "other"]], on=place, validate="many_to_one")


def grouped(answers: pd.DataFrame, rows: pd.DataFrame, exposures: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The answers to exposed and to clean questions, told apart by `group`; what `against` drew too is neither."""
    cluster_of = dict(zip(rows.item, rows.cluster, strict=True))
    items = exposures.benchmark + "/" + exposures.question
    seen = {
        (recipe, replicate, cluster_of[item])
        for recipe, replicate, item in zip(exposures.recipe, exposures.replicate, items, strict=True)
        if item in cluster_of
    }
    recipes = {name: method.draft for name, method in job.methods.items()}
    here, there = (answers[name].map(recipes) for name in ("method", "against"))
    drawn = [key in seen for key in zip(here, answers.replicate, answers.cluster, strict=True)]
    by_both = [(recipe, 0, cluster) in seen for recipe, cluster in zip(there, answers.cluster, strict=True)]
    exposed = np.array(drawn, dtype=bool) & ~np.array(by_both, dtype=bool)
    labelled = answers.assign(group=np.select([exposed, answers.overlaps == 0], GROUPS, default="neither"))
    return labelled[labelled.group != "neither"]


def weighted(answers: pd.DataFrame) -> pd.DataFrame:
    """Adds `weight`: clean answers of a training to a benchmark weigh as much together as the exposed ones there.

    Where one of the groups is empty, the other weighs nothing.
    """
    cell = [*TRAINING, "benchmark"]
    exposed = (answers.group == "exposed").astype(float)
    counts = exposed.groupby([answers[key] for key in cell]).agg(["sum", "size"])
    clean = counts["size"] - counts["sum"]
    shares = pd.DataFrame({"of_exposed": (clean > 0).astype(float), "of_clean": counts["sum"] / clean.clip(lower=1)})
    joined = answers.join(shares, on=cell)
    return joined.assign(weight=np.where(exposed == 1, joined.of_exposed, joined.of_clean))


def _line(key: tuple[Any, ...], part: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, Any]:
    """Sizes, both groups and their difference."""
    part = part[part.weight > 0]
    line = {**dict(zip(TRAINING, key, strict=True)), "benchmark": ALL, **_sizes(part)}
    if part.empty:
        return line | {"why": "no benchmark question was drawn"}
    sums_of = {group: _sums(part[part.group == group]) for group in GROUPS}
    for group, sums in sums_of.items():
        named = {f"{name}_{group}": interval for name, interval in bootstrap.intervals(sums, QUANTITIES).items()}
        line |= as_cells(named)
    if line["exposed_clusters"] < LEAST_CLUSTERS:
        return line | {"why": f"exposed problems: {line['exposed_clusters']}; an interval takes {LEAST_CLUSTERS}"}
    effect = _effect(sums_of["exposed"], sums_of["clean"], bootstrap)
    line |= as_cells({"effect": effect}) | {"detectable": _detectable(sums_of, bootstrap)}
    return line | {"why": "" if effect.low < effect.high else "too few problems changed"}


def _sizes(part: pd.DataFrame) -> dict[str, int]:
    sizes = {"n": len(part), "clusters": part.cluster.nunique()}
    for group in GROUPS:
        here = part[part.group == group]
        sizes |= {group: len(here), f"{group}_clusters": here.cluster.nunique()}
    return sizes


def _sums(group: pd.DataFrame) -> Sums:
    """Cluster sums of one group's weighted answers."""
    columns = {name: (group.weight * group[name]).tolist() for name in ("correct", "other", "n")}
    return cluster_sums({**columns, "weight": group.weight.tolist()}, group.cluster.tolist())


def _effect(exposed: Sums, clean: Sums, bootstrap: Bootstrap) -> Interval:
    """Difference of the changes of two groups, each resampled by itself; widened as for the smaller one alone."""
    (here, drawn, left), (there, others, rest) = (
        _resampled(sums, bootstrap, place) for place, sums in enumerate((exposed, clean))
    )
    if not (informative(left) and informative(rest)):
        return Interval(here - there)
    return bootstrap.interval(here - there, drawn - others, min(left, rest, key=len))


def _resampled(sums: Sums, bootstrap: Bootstrap, place: int) -> tuple[float, Array, Array]:
    """The change of one group, in every resample, and without each cluster."""
    weights = resampling_weights(len(sums["n"]), bootstrap.resamples, bootstrap.seed + place)
    total = {name: column.sum() for name, column in sums.items()}
    resampled = {name: weights @ column for name, column in sums.items()}
    left_out = {name: total[name] - column for name, column in sums.items()}
    return float(CHANGE(total)), CHANGE(resampled), CHANGE(left_out)


def _detectable(groups: dict[str, Sums], bootstrap: Bootstrap) -> float:
    """Smallest true effect that is found with a power of .8: the two groups' own add up as standard errors do."""
    return hypot(*(minimum_detectable(_pulls(sums), bootstrap.confidence) for sums in groups.values()))


def _pulls(sums: Sums) -> Array:
    """What each cluster adds to the group's change, a ratio of sums, which is their mean (linearized)."""
    change = sums["correct"] - sums["other"]
    mean_change = change.sum() / sums["weight"].sum()
    pulls: Array = (change - mean_change * sums["weight"]) / sums["weight"].mean() + mean_change
    return pulls
