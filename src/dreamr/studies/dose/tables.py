"""Dose-response of verdict quality: accuracy over the two error rates of a verifier, and real verifiers on that map.

The map comes from the micro world's step oracle with set error rates, errors thrown by dice that know nothing of the
step. A real verifier, at the rates that were measured of it, should then be as accurate as the map says there. Where it
is not, the rates do not tell enough: *which* steps it errs on matters.

The map between its nodes is bilinear, so a prediction is a weighted mean of the accuracies at four nodes. All of it,
the rates that place a verifier too, is made anew in each resample of the questions' clusters: the interval of a
distance holds what is uncertain about the rates. It holds no error of the straight lines between nodes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ACCURACY_CHANGE
from dreamr.statistics.frame import ALL, KEYS, first_training
from dreamr.statistics.intervals import Array, Quantity, difference, mean, ratio, unknown
from dreamr.statistics.pooling import SIZES, estimated, gathered, sampling, with_models

RATES: dict[str, Quantity] = {
    "false_accept": ratio("wrong_accepted", "wrong"),
    "false_reject": ratio("right_rejected", "right"),
}
DOSE: dict[str, Quantity] = {
    **RATES,
    "accuracy": mean("correct"),
    "accuracy_change": ACCURACY_CHANGE,
    "faultless_change": difference(mean("correct"), mean("faultless")),  # against the oracle without errors
}
JUDGED = ("wrong", "wrong_accepted", "right", "right_rejected")  # what rates are made of
PREDICTED = ("predicted", "distance")  # by the map; of real verifiers
Rates = tuple[float, float]  # false accepts of the wrong steps, false rejects of the right ones
COLUMNS = [*KEYS, "kind", "set_false_accept", "set_false_reject", *SIZES]


def dose(answers: pd.DataFrame, steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy at each node of the map (kind "set") and of real verifiers (kind "measured"), all benchmarks.

    `answers` are batched rows of the score frame, `steps` the verified steps. All are of the questions that every node
    answered; the map is drawn for each pair by itself.
    """
    nodes = {name: rates for name, method in job.methods.items() if (rates := set_rates(method))}
    lines, usual = [], first_training(steps)
    for (target, draft), part in first_training(answers).groupby(["target", "draft"]):
        here = {name: rates for name, rates in nodes.items() if name in {*part.method}}
        if here:
            own = usual[(usual.target == target) & (usual.draft == draft)]
            lines += [{"target": target, "draft": draft} | line for line in _lines(part, own, here, job)]
    names = [f"{name}{end}" for name in (*DOSE, *PREDICTED) for end in ("", "_low", "_high")]
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
        (method.verifier, method.alpha, method.threshold, method.acceptance): name
        for name, method in reversed([*methods.items()])
        if method.asks_about_a_step
        and (method.draft, method.budget, method.answers) == (node.draft, node.budget, node.answers)
    }
    return list(reversed(found.values()))


def _lines(
    rows: pd.DataFrame, steps: pd.DataFrame, nodes: Mapping[str, Rates], job: SummariseJob
) -> Iterator[dict[str, Any]]:
    correct = rows.pivot(index="item", columns="method", values="correct").dropna(subset=[*nodes])
    answered = rows[rows.item.isin(correct.index)]
    at = {_column(rates): answered.item.map(correct[name]) for name, rates in nodes.items()}
    answered = answered.assign(**at, faultless=at.get(_column((0, 0)), nan))
    judged = steps.assign(item=steps.benchmark + "/" + steps.question).groupby(["method", "item"])[[*JUDGED]].sum()
    real = [name for name in placed(job.methods, [*nodes]) if name in correct]
    for name in (*nodes, *real):
        part = answered[answered.method == name]
        part = part.join(judged.loc[name] if name in judged.index else judged.droplevel(0).iloc[:0], on="item")
        predicted = surface(nodes.values()) if name in real else unknown
        quantities = DOSE | dict(zip(PREDICTED, (predicted, difference(mean("correct"), predicted)), strict=True))
        part = with_models(part.fillna(dict.fromkeys(JUDGED, 0.0))).assign(recipe=False)
        rates = dict(zip(("set_false_accept", "set_false_reject"), nodes.get(name, (nan, nan)), strict=True))
        key = {"method": name, "benchmark": ALL, "kind": "set" if name in nodes else "measured"}
        yield key | rates | estimated(gathered(part, job), sampling(job), quantities)


def _column(rates: Rates) -> str:
    return f"at {rates[0]:g} {rates[1]:g}"


def surface(nodes: Iterable[Rates]) -> Quantity:
    """Accuracy by the map at a verifier's own rates; unknown outside the map, and of one that lacks a node."""
    nodes = {*nodes}
    accepts, rejects = (sorted({rates[axis] for rates in nodes}) for axis in (0, 1))
    if not {*product(accepts, rejects)} <= nodes:
        return unknown

    def quantity(sums: Mapping[str, Array]) -> Array:
        accepted, rejected = (np.asarray(rate(sums)) for rate in RATES.values())
        parts = [
            _hat(accepts, node[0], accepted) * _hat(rejects, node[1], rejected) * mean(_column(node))(sums)
            for node in sorted(nodes)
        ]
        return np.asarray(np.sum(parts, axis=0))

    return quantity


def _hat(grid: Sequence[float], node: float, values: Array) -> Array:
    """1 at `node`, 0 at all others of `grid`, straight between them; NaN outside."""
    return np.asarray(np.interp(values, grid, np.equal(grid, node).astype(float), left=nan, right=nan))
