"""What the target writes ahead of a verdict, measured: settings on the questions that all of them were timed on.

Some settings were timed on more questions than others, and questions differ more than settings do. So each is held
against the reference on the questions of a pair that have an answer under every setting.
"""

from collections.abc import Iterator, Mapping
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.closed_forms import with_target_speculation
from dreamr.statistics.comparisons import ablations, setting
from dreamr.statistics.contrasts import DISTANCES
from dreamr.statistics.frame import ALL, alone, first_training
from dreamr.statistics.intervals import Interval, Quantity, holm, mean
from dreamr.statistics.paired import flip_p
from dreamr.statistics.pooling import SIZES, Group, as_cells, estimated, gathered, sampling, with_models

PAIR = ["target", "draft"]
COLUMNS = ["item", "cluster", "n", "baseline_seconds", "seconds"]
QUANTITIES: dict[str, Quantity] = {
    "speed_ratio": DISTANCES["speed_ratio"],
    "target_tokens": mean("target_tokens"),
}
HEADINGS = [*PAIR, "method", "benchmark", "setting", *SIZES, *as_cells(dict.fromkeys(QUANTITIES, Interval(nan)))]
HEADINGS += ["speed_ratio_p", "expected"]


def arms(rows: pd.DataFrame, written: Mapping[str, pd.DataFrame], job: SummariseJob) -> pd.DataFrame:
    """How many times as fast as the reference each setting is, and what the target wrote for an answer.

    On the questions of a pair that were timed under all of its settings. The p of a ratio is by exchanging settings in
    whole clusters, corrected by Holm over those of the pair. `expected` is the ratio by the closed form, at
    the pair's measured costs and acceptance.
    """
    found = ablations(job).query("kind == 'schedule' and setting != 'sequential'")
    settings = {job.reference: setting("schedule", job.methods[job.reference])}
    settings |= dict(zip(found.method, found.setting, strict=True))
    timed = alone(first_training(rows[rows.method.isin(settings)]))
    lines = [
        {**dict(zip(PAIR, pair, strict=True)), "benchmark": ALL, "setting": settings[line["method"]], **line}
        for pair, part in timed.groupby(PAIR)
        for line in _lines(part, _expected(written.get("pairs"), pair, job), job)
    ]
    table = pd.DataFrame(lines, columns=HEADINGS)
    return table.assign(speed_ratio_p_holm=table.groupby(PAIR).speed_ratio_p.transform(holm))


def _lines(timed: pd.DataFrame, expected: Mapping[str, float], job: SummariseJob) -> Iterator[dict[str, Any]]:
    """A line for each setting of a pair, the reference first; none where nothing stands beside the reference."""
    names = timed.method.unique()
    common = timed[timed.groupby("item").method.transform("nunique") == len(names)]
    if job.reference not in names or len(names) < 2 or common.empty:
        return
    reference = common.loc[common.method == job.reference, COLUMNS]
    for name in (job.reference, *(one for one in names if one != job.reference)):
        paired = common[common.method == name].merge(
            reference, on=["item", "cluster"], suffixes=("", "_other"), validate="one_to_one"
        )
        line, p = _line(gathered(with_models(paired).assign(recipe=False), job), name == job.reference, job)
        yield {"method": name, **line, "speed_ratio_p": p, "expected": expected.get(name, nan)}


def _line(answers: Group, own: bool, job: SummariseJob) -> tuple[dict[str, Any], float]:
    """What a setting did, and the p that it is as fast as the reference; of the reference itself its ratio is 1."""
    line = estimated(answers, sampling(job), QUANTITIES)
    if own:
        return line | as_cells({"speed_ratio": Interval(1.0)}), nan
    return line, flip_p(answers.sums, QUANTITIES["speed_ratio"], job.statistics.seed)


def _expected(pairs: pd.DataFrame | None, pair: tuple[str, str], job: SummariseJob) -> dict[str, float]:
    """By method, its speed over the reference's by the closed form; nothing where the pair's costs are unknown."""
    if pairs is None:
        return {}
    here = pairs[(pairs.target == pair[0]) & (pairs.draft == pair[1]) & (pairs.benchmark == ALL)]
    costs = here[["acceptance", "c", "v"]].to_numpy(dtype=float)
    if len(costs) != 1 or np.isnan(costs).any():
        return {}
    acceptance, cost, verdict = costs[0].tolist()
    speeds = {
        name: with_target_speculation(acceptance, cost, verdict, method.target_speculation, method.continues)
        for name, method in job.methods.items()
        if method.target_speculation is not None and method.continues is not None
    }
    return {name: speed / speeds[job.reference] for name, speed in speeds.items() if job.reference in speeds}
