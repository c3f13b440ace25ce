"""Speed at set acceptances, and with several steps to a verdict, beside what closed forms expect of both.

Dice decide, and the target is asked all the same, so times are real and acceptance is a setting. A method is one of
these if it has an `acceptance` and its verdicts are about steps, whatever it is called.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf, isinf, isnan, nan
from pathlib import Path

import numpy as np
import pandas as pd

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.closed_forms import costs_of_pairs, expected_speedup
from dreamr.statistics.comparisons import on_the_same_questions, outcomes, setting
from dreamr.statistics.contrasts import Contrast, contrasted
from dreamr.statistics.frame import ALL, KEYS, alone
from dreamr.statistics.intervals import Quantity, mean, share, times
from dreamr.statistics.pooling import tabulate
from dreamr.statistics.published import load_published

PAIR = ["target", "draft"]
ENDS = ("", "_low", "_high")
DICE: dict[str, Quantity] = {
    "speedup": times("baseline_seconds", "seconds"),
    "acceptance": share("accepted", "verified"),  # as the dice fell in the timed answers
    "seconds": mean("seconds"),
}
BREAK_EVEN = ("break_even", "break_even_low", "break_even_high")
RATIO = [*(f"speed_ratio{end}" for end in ENDS), "speed_ratio_p", "speed_ratio_p_holm"]
CELLS = [f"{name}{end}" for name in ("accuracy", "acceptance", "tokens", "speedup") for end in ENDS]
APART_CELLS = [*(f"{name}{end}" for name in ("accuracy_change", "acceptance_change") for end in ENDS), *RATIO]
SET = " that was set"  # of acceptances


def dice(rows: pd.DataFrame, published: Path, written: Mapping[str, pd.DataFrame], job: SummariseJob) -> pd.DataFrame:
    """Speed-up at each acceptance that is set, by schedule: of timed answers, on the questions that all of a pair have.

    `acceptance` is how the dice fell there. `expected` is the closed form at it and at the pair's measured costs, where
    the draft is the reference's, whose costs these are. `published`: whether this acceptance is the first of a parallel
    schedule in config/published.yaml.
    """
    thrown = {name: method for name, method in job.own.items() if _by_dice(method)}
    table = tabulate(alone(on_the_same_questions(rows[rows.method.isin(thrown)])), job, DICE)
    table = table[table.benchmark == ALL].reset_index(drop=True)
    paper = [speedup.acceptance for speedup in load_published(published).speedups if speedup.schedule == "parallel"]
    levels = table.method.map({name: method.acceptance for name, method in thrown.items()}).astype(float)
    words = table.method.map({name: schedule_of(method, job) for name, method in thrown.items()})
    table = table.assign(schedule=words, set_acceptance=levels, published=levels.isin(paper[:1]))
    table = table.sort_values([*PAIR, "schedule", "set_acceptance"], ignore_index=True)
    return table.assign(expected=_expected(table, written, job))


def _by_dice(method: Method) -> bool:
    """Whether dice decide about each single step, and not about several or about whole answers."""
    thrown = method.acceptance is not None and method.steps_per_verdict is None
    return thrown and method.declared.judges != "answer"


def schedule_of(method: Method, job: SummariseJob) -> str:
    """What the schedule of a method is called; where its draft or its window is not the reference's, that as well."""
    base = job.methods[job.reference]
    words = method.declared.label if method.declared.judges == "versions" else setting("schedule", method)
    draft = [f"{method.draft.replace('_', '-')} draft"] if method.draft != base.draft else []
    window = [f"window {method.window}"] if method.window not in (None, base.window) else []
    return ", ".join([words, *draft, *window])


def _expected(table: pd.DataFrame, written: Mapping[str, pd.DataFrame], job: SummariseJob) -> list[float]:
    """The closed form of each row, at its acceptance."""
    costs, draft = costs_of_pairs(written), job.methods[job.reference].draft
    ours = {name: method for name, method in job.methods.items() if method.draft == draft}
    return [
        expected_speedup(ours[row.method], row.acceptance, *costs[row.target, row.draft])
        if row.method in ours and (row.target, row.draft) in costs
        else nan
        for row in table.itertuples()
    ]


def dice_break_even(written: Mapping[str, pd.DataFrame], job: SummariseJob) -> pd.DataFrame:
    """From which acceptance on a schedule is faster than the target alone, between those that were set.

    0: at every one that was set. inf: at none. Between two of them time is taken as linear in acceptance, as in the
    closed forms. An end of the interval is where that end of the speed-up's own interval reaches 1. `expected` is by
    the closed form, `lowest` and `highest` are the acceptances measured, and `X_told` is X in words.
    """
    table, costs = written["dice"], costs_of_pairs(written)
    lines = []
    for (*pair, schedule), part in table.sort_values("acceptance").groupby([*PAIR, "schedule"], sort=False):
        levels = part.acceptance.tolist()
        met = [crossing(levels, part[f"speedup{end}"].tolist()) for end in ("", "_high", "_low")]  # fast: early
        known = part.expected.notna().any()
        form = _closed_crossing(job.methods[part.method.iloc[0]], *costs[pair[0], pair[1]]) if known else nan
        told = {"break_even_told": told_from(*met, of=SET), "expected": form, "expected_told": told_from(form)}
        key = dict(zip(PAIR, pair, strict=True)) | {"benchmark": ALL, "schedule": schedule}
        sizes = {"n": part.n.min(), "clusters": part.clusters.min(), "lowest": levels[0], "highest": levels[-1]}
        lines.append(key | sizes | dict(zip(BREAK_EVEN, met, strict=True)) | told)
    columns = [*PAIR, "benchmark", "schedule", "n", "clusters", "lowest", "highest", *BREAK_EVEN, "break_even_told"]
    return pd.DataFrame(lines, columns=[*columns, "expected", "expected_told"])


def crossing(levels: Sequence[float], speedups: Sequence[float]) -> float:
    """The acceptance from which on a speed-up stays above 1, on straight lines between the times; levels ascend.

    0 where it is above 1 at all of them, inf where it is not at the highest, NaN where it is unknown at some.
    """
    if any(isnan(speedup) for speedup in speedups):
        return nan
    if speedups[-1] <= 1:
        return inf
    points = list(zip(levels, (1 / speedup for speedup in speedups), strict=True))
    for (above, less), (below, time) in pairwise(points[::-1]):
        if time >= 1:
            return below + (above - below) * (time - 1) / (time - less)
    return 0.0


def _closed_crossing(method: Method, cost: float, verdict: float) -> float:
    levels = np.linspace(0, 1, 1001).tolist()
    return crossing(levels, [expected_speedup(method, level, cost, verdict) for level in levels])


def told_from(value: float, low: float = nan, high: float = nan, *, of: str = "") -> str:
    """From which acceptance on, in words; an interval that reaches past what was measured says so.

    `of`: which acceptances all or none of them are.
    """

    def at(level: float) -> str:
        return f"at every acceptance{of}" if level == 0 else f"at none{of}" if isinf(level) else f"{100 * level:.0f} %"

    if isnan(value):
        return ""
    if isnan(low) or isnan(high) or low == high:
        return at(value)
    return f"{at(value)} [{at(low)}, {at(high)}]"


def dice_contrasts(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The reference's schedule against each other one at the same acceptance, on the same questions and dice.

    p is corrected by Holm over all of these in one kind of place.
    """
    thrown = {name: method for name, method in job.own.items() if _by_dice(method)}
    own = schedule_of(job.methods[job.reference], job)
    ours = {method.acceptance: name for name, method in thrown.items() if schedule_of(method, job) == own}
    others = [name for name, method in thrown.items() if name not in ours.values() and method.acceptance in ours]
    found = [Contrast(ours[thrown[name].acceptance], name, "schedule") for name in others]
    table = contrasted(on_the_same_questions(rows[rows.method.isin(thrown)]), found, job)
    table = table[table.benchmark == ALL].drop(columns="n").rename(columns={"n_alone": "n"}).reset_index(drop=True)
    schedules = {name: schedule_of(method, job) for name, method in thrown.items()}
    levels = {name: method.acceptance for name, method in thrown.items()}
    columns = [*Contrast._fields, *PAIR, "benchmark", "n", *RATIO]
    table = table[columns].assign(schedule=own, against=table.other.map(schedules))
    table = table.assign(set_acceptance=table.other.map(levels))
    return table.sort_values([*PAIR, "against", "set_acceptance"], ignore_index=True)


def per_verdict(rows: pd.DataFrame, written: Mapping[str, pd.DataFrame], job: SummariseJob) -> pd.DataFrame:
    """Methods with so many `steps` to a verdict, beside the same method with one (`base`), on the same questions.

    `speed_ratio` and changes are against that. `expected` is the closed form of the speed-up at the row's acceptance,
    a verdict's cost shared by the steps. Where dice decide (`dice`), acceptance is set, and accuracy is not told: it
    would say nothing of the method. p is corrected by Holm over the methods of all bases, in one kind of place.
    """
    bases = _bases(job.own)
    asked = {base: _asked(rows, [base, *several]) for base, several in bases.items()}
    found = [Contrast(name, base, "steps to a verdict") for base, several in bases.items() for name in several]
    contrasts = contrasted(pd.concat([rows.iloc[:0], *asked.values()]), found, job)
    parts = [_beside_base(asked[base], contrasts, base, job) for base in bases]
    columns = [*KEYS, "base", "steps", "dice", "n", "clusters", "n_alone", *CELLS, *APART_CELLS]
    table = pd.concat([pd.DataFrame(columns=columns), *parts], ignore_index=True)[columns]
    return table.assign(expected=_expected(table, written, job))


def _bases(methods: Mapping[str, Method]) -> dict[str, list[str]]:
    """By method with one step to a verdict, those that differ from it in that alone."""
    usual = {method: name for name, method in methods.items() if method.steps_per_verdict is None}
    several = {name: method for name, method in methods.items() if method.steps_per_verdict is not None}
    found: dict[str, list[str]] = {}
    for name, method in several.items():
        if base := usual.get(method.model_copy(update={"steps_per_verdict": None})):
            found.setdefault(base, []).append(name)
    return found


def _asked(rows: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Answers of a base and its methods, on each pair that has more than the base alone."""
    own = rows[rows.method.isin(methods)]
    return on_the_same_questions(own[own.groupby(PAIR).method.transform("nunique") > 1])


def _beside_base(own: pd.DataFrame, contrasts: pd.DataFrame, base: str, job: SummariseJob) -> pd.DataFrame:
    """The rows of the table of one base, from what `_asked` has of it."""
    table = outcomes(own, job).drop(columns=[f"accuracy_change{end}" for end in ENDS])
    table = table.merge(contrasts[[*KEYS, *APART_CELLS]], how="left", on=KEYS)
    table = table[table.benchmark == ALL]
    dice = job.methods[base].acceptance is not None
    untold = [f"{name}{end}" for name in ("accuracy", "accuracy_change") for end in ENDS] if dice else []
    steps = table.method.map({name: method.steps_per_verdict or 1 for name, method in job.methods.items()})
    return table.assign(base=base, steps=steps, dice=dice, **dict.fromkeys(untold, nan)).sort_values([*PAIR, "steps"])
