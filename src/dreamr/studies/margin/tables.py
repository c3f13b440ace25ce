"""Whether a method loses less accuracy than the margin: two questions, each with an answer of its own.

With these drafts: trainings are held as given, and problems alone are a sample. With drafts like these: another
training by the same recipe may turn out otherwise, so trainings are a sample too, and the interval crosses both. It is
that of the table of accuracy. A method without a trained draft has no second answer.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ACCURACY_CHANGE, ablations, with_lost_and_won
from dreamr.statistics.frame import ALL, ALL_BENCHMARKS, KEYS, batched
from dreamr.statistics.intervals import Interval, non_inferiority
from dreamr.statistics.paired import QUESTIONS
from dreamr.statistics.pooling import SIZES, Group, as_cells, of_pairs, p_against, pools, sampling
from dreamr.statistics.power import non_inferiority_power
from dreamr.statistics.shares import exact_change

VERDICTS = {"yes": "kept", "no": "not kept", "undecided": "undecided", "unknown": "unknown"}
# True losses for which the power is told, one on each side of the usual margin of 3 points (our decision).
SMALL_LOSS, LARGE_LOSS = 0.019, 0.038
ANSWERS = ("these", "such")
CELLS = [cell for name in ANSWERS for cell in (*as_cells({f"change_{name}": Interval(nan)}), f"kept_{name}")]
TESTS = [f"p_{side}_{name}" for name in ANSWERS for side in ("kept", "lost")]
POWERS = ["power_kept", "power_lost"]


def margin(rows: pd.DataFrame, written: Mapping[str, pd.DataFrame], job: SummariseJob) -> pd.DataFrame:
    """Each method over all main pairs and on each, all benchmarks together.

    `change_these` and, where there is a second answer, `change_such` are one number, each with the interval of its
    question. `kept_X` is the verdict, `p_kept_X` the one-sided p that as much as the margin is lost or more, `p_lost_X`
    that it is less. `training_sd` is the standard deviation between trainings of one pair, what questions add to it
    included; of all pairs the root of the mean variance. `power_kept`: how surely a true loss of 1.9 points is found to
    be below the margin, `power_lost`: how surely one of 3.8 is found to be above, both with these drafts.
    """
    told, methods = batched(rows), _methods(job)
    told = told[of_pairs(told, job) & told.method.isin(methods) & told.target_correct.notna()]
    told = with_lost_and_won(told)
    lines = [
        key | _line(answers, job)
        for key, answers in pools(told, job, ALL_BENCHMARKS)
        if (key["target"] == ALL) == (key["draft"] == ALL)
    ]
    table = pd.DataFrame(lines, columns=[*KEYS, *SIZES, *CELLS, *TESTS])
    table = table.merge(_training_sd(told), how="left", on=ALL_BENCHMARKS)
    table = _with_power(table, written.get("accuracy"), job)
    order = table.assign(single=table.target != ALL, place=table.method.map(methods.index))
    return table.loc[order.sort_values(["single", "target", "draft", "place"]).index].reset_index(drop=True)


def _methods(job: SummariseJob) -> list[str]:
    """Those in which the target judges, and what varies the reference; not its schedules and windows.

    These write the same text.
    """
    varied = ablations(job)
    return list(dict.fromkeys([*job.compared[::-1], *varied[~varied.kind.isin(["schedule", "window"])].method]))


def _line(answers: Group, job: SummariseJob) -> dict[str, Any]:
    """Sizes and both answers; the line says what the first one is over."""
    found = both(answers, job)
    line = answers.size | {"over": QUESTIONS} | as_cells({f"change_{name}": one for name, one in found.items()})
    for name, change in found.items():
        line |= _tests(name, change, answers if name == "such" else None, job)
    return line if answers.crossed else line | {"kept_such": None}


def both(answers: Group, job: SummariseJob) -> dict[str, Interval]:
    """The change of accuracy with its interval for these drafts, and for drafts like these where there are several.

    Where too few problems differ for a bootstrap, limits of the first are exact, as in the table of accuracy.
    """
    given = replace(answers, drafts=np.full(len(answers.drafts), "", dtype=object))
    these, such = (
        one.intervals({"": ACCURACY_CHANGE}, sampling(job), {"": exact_change})[""] for one in (given, answers)
    )
    return {"these": these, "such": such if answers.crossed else Interval(nan)}


def _tests(name: str, change: Interval, crossed: Group | None, job: SummariseJob) -> dict[str, Any]:
    """The verdict and both one-sided p, which agree: they are made of one variance."""
    largest = -job.statistics.margin
    half = p_against(ACCURACY_CHANGE, largest, change, crossed, job.statistics.confidence) / 2
    kept = half if change.value > largest else 1 - half
    verdict = VERDICTS[non_inferiority(change, job.statistics.margin)]
    return {f"kept_{name}": verdict, f"p_kept_{name}": kept, f"p_lost_{name}": 1 - kept}


def _training_sd(rows: pd.DataFrame) -> pd.DataFrame:
    """That of each pair with several trainings of a method's draft, and over all such pairs."""
    weighted = rows.assign(change=(rows.correct - rows.target_correct) * rows.weight)
    sums = weighted.groupby([*ALL_BENCHMARKS, "replicate"])[["change", "weight"]].sum()
    single = (sums.change / sums.weight).groupby(ALL_BENCHMARKS).var().dropna().rename("variance").reset_index()
    pooled = single.groupby("method", as_index=False).variance.mean().assign(target=ALL, draft=ALL)
    both = pd.concat([single, pooled])
    return both.assign(training_sd=np.sqrt(both.variance.astype(float)))[[*ALL_BENCHMARKS, "training_sd"]]


def _with_power(table: pd.DataFrame, accuracy: pd.DataFrame | None, job: SummariseJob) -> pd.DataFrame:
    """Adds the power by the plan's formula, from the spread of a problem's change in the table of accuracy."""
    if accuracy is None:
        return table.assign(**dict.fromkeys(POWERS, nan))
    spreads = table.merge(accuracy[[*KEYS, "spread"]], how="left", on=KEYS).spread
    found = [_power(clusters, spread, job) for clusters, spread in zip(table.clusters, spreads, strict=True)]
    return table.assign(**{name: [one[place] for one in found] for place, name in enumerate(POWERS)})


def _power(clusters: int, spread: float, job: SummariseJob) -> tuple[float, float]:
    """For a loss below the margin, and for one that is as far beyond it as another, in its place, is below."""
    if clusters < 2 or not spread > 0:
        return nan, nan
    largest, confidence = job.statistics.margin, job.statistics.confidence
    mirrored = LARGE_LOSS - 2 * largest
    kept, lost = (non_inferiority_power(clusters, spread, to, largest, confidence) for to in (-SMALL_LOSS, mirrored))
    return kept, lost
