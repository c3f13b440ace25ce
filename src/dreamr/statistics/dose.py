"""Dose-response of verdict quality: accuracy over the two error rates of a verifier, and real verifiers on that map.

The map comes from the micro world's step oracle with set error rates, errors thrown by dice that know nothing of the
step. A real verifier, at the rates that were measured of it, should then be as accurate as the map says there. Where it
is not, the rates do not tell enough: *which* steps it errs on matters.

The map between its nodes is bilinear, so a prediction is a weighted mean of the answers at four nodes, and its distance
to the real verifier is paired over the same questions. The rates at which that is placed count as known: their own
intervals are beside it and not in that of the distance.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, KEYS, as_cells, estimates, sampling
from dreamr.statistics.intervals import Interval, Quantity, cluster_sums, difference, mean, ratio

DOSE: dict[str, Quantity] = {
    "accuracy": mean("correct"),
    "accuracy_change": difference(mean("correct"), mean("target_correct")),
    "faultless_change": difference(mean("correct"), mean("faultless")),  # against the oracle without errors
    "predicted": mean("predicted"),  # by the map; of real verifiers
    "distance": difference(mean("correct"), mean("predicted")),
}
RATES: dict[str, Quantity] = {
    "false_accept": ratio("wrong_accepted", "wrong"),
    "false_reject": ratio("right_rejected", "right"),
}
Rates = tuple[float, float]  # false accepts of the wrong steps, false rejects of the right ones
COLUMNS = [*KEYS, "kind", "set_false_accept", "set_false_reject", "n", "clusters"]


def dose(answers: pd.DataFrame, steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy at each node of the map (kind "set") and of real verifiers (kind "measured"), all benchmarks.

    `answers` are batched rows of the score frame, `steps` the verified steps. All are of the questions that every node
    answered; the map is drawn for each pair by itself.
    """
    nodes = {name: rates for name, method in job.methods.items() if (rates := set_rates(method))}
    lines = []
    for (target, draft), part in answers.groupby(["target", "draft"]):
        here = {name: rates for name, rates in nodes.items() if name in {*part.method}}
        if here:
            own = steps[(steps.target == target) & (steps.draft == draft)]
            lines += [{"target": target, "draft": draft} | line for line in _lines(part, own, here, job)]
    names = [f"{name}{end}" for name in (*RATES, *DOSE) for end in ("", "_low", "_high")]
    return pd.DataFrame(lines, columns=[*COLUMNS, *names])


def set_rates(method: Method) -> Rates | None:
    """The rates that are set for a method's verdicts; None where the target judges."""
    if method.false_accept is None or method.false_reject is None:
        return None
    return method.false_accept, method.false_reject


def placed(methods: Mapping[str, Method], nodes: Sequence[str]) -> list[str]:
    """Methods that differ from the nodes in their verdicts and schedule alone, one of each kind of verdict."""
    node = methods[nodes[0]]
    found = {
        (method.verifier, method.alpha, method.threshold): name
        for name, method in reversed([*methods.items()])
        if method.verifier in ("cpn", "score")
        and (method.draft, method.budget, method.answers) == (node.draft, node.budget, node.answers)
    }
    return list(reversed(found.values()))


def _lines(
    rows: pd.DataFrame, steps: pd.DataFrame, nodes: Mapping[str, Rates], job: SummariseJob
) -> Iterator[dict[str, Any]]:
    correct = rows.pivot(index="item", columns="method", values="correct").dropna(subset=[*nodes])
    at = {rates: correct[name] for name, rates in nodes.items()}
    real = [name for name in placed(job.methods, [*nodes]) if name in correct]
    for name in (*nodes, *real):
        part = rows[(rows.method == name) & rows.item.isin(correct.index)]
        judged = steps[(steps.method == name) & (steps.benchmark + "/" + steps.question).isin(part.item)]
        found = _estimated(judged, RATES, job)
        place = (found["false_accept"], found["false_reject"])
        predicted = _read_off(at, place) if name in real else None
        sums = part.assign(
            faultless=part.item.map(at[0.0, 0.0]) if (0.0, 0.0) in at else nan,
            predicted=nan if predicted is None else part.item.map(predicted),
        )
        rates = dict(zip(("set_false_accept", "set_false_reject"), nodes.get(name, (nan, nan)), strict=True))
        key = {"method": name, "benchmark": ALL, "kind": "set" if name in nodes else "measured"}
        yield key | rates | found | _estimated(sums, DOSE, job)


def _estimated(rows: pd.DataFrame, quantities: Mapping[str, Quantity], job: SummariseJob) -> dict[str, Any]:
    if rows.empty:
        return as_cells(dict.fromkeys(quantities, Interval(nan)))
    numbers = rows.select_dtypes("number").drop(columns="cluster")
    return estimates(cluster_sums(numbers.to_dict("series"), rows.cluster), sampling(job), quantities)


def _read_off(at: Mapping[Rates, pd.Series], place: Rates) -> "pd.Series[float] | None":
    """What the map says of each question at `place`, by the nodes around it; None outside, or where a node lacks."""
    corners = [_around(sorted({rates[axis] for rates in at}), place[axis]) for axis in (0, 1)]
    weights = {(one[0], other[0]): one[1] * other[1] for one, other in product(*corners)}
    if not weights or not weights.keys() <= at.keys():
        return None
    return sum((weight * at[node] for node, weight in weights.items()), start=pd.Series(0.0, at[next(iter(at))].index))


def _around(grid: Sequence[float], value: float) -> list[tuple[float, float]]:
    """The two places of `grid` around `value`, each with its weight; nothing outside."""
    if len(grid) < 2 or not grid[0] <= value <= grid[-1]:
        return []
    after = max(1, int(np.searchsorted(grid, value)))
    low, high = grid[after - 1], grid[after]
    share = (value - low) / (high - low)
    return [(low, 1 - share), (high, share)]
