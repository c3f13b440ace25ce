"""What theory expects of a schedule's speed-up over the target alone.

Everywhere answers and steps are equally long, a request costs nothing, and nothing slows anything else. `cost` and
`verdict` are the time of a draft's step and of a verdict over that of a target's step.
"""

from collections.abc import Mapping
from math import isnan, nan
from typing import Literal

import pandas as pd

from dreamr.config import Method, TargetSpeculation
from dreamr.statistics.frame import ALL

Schedule = Literal["sequential", "parallel"]
Costs = Mapping[tuple[str, str], tuple[float, float]]  # cost and verdict, by target and draft


def costs_of_pairs(tables: Mapping[str, pd.DataFrame]) -> Costs:
    """The measured ones of each pair, and over all pairs; none without the table of pairs."""
    if "pairs" not in tables:
        return {}
    whole = tables["pairs"][tables["pairs"].benchmark == ALL]
    return {(row.target, row.draft): (row.c, row.v) for row in whole.itertuples()}


def expected_speedup(method: Method, acceptance: float, cost: float, verdict: float) -> float:
    """That of a method's schedule; NaN where no form here is of its loop.

    Of several steps to a verdict, each bears its part: a unit of k steps is a step k times as long.
    """
    share = verdict / (method.steps_per_verdict or 1)
    if method.target_speculation is not None and method.continues is not None:
        return with_target_speculation(acceptance, cost, share, method.target_speculation, method.continues)
    if method.declared.judges == "versions" and method.window is not None:
        return asynchronous_lookahead(acceptance, cost, method.window)
    if method.declared.judges == "step" and method.declared.sequential:
        return best_speedup("sequential", acceptance, cost, share)
    return nan


def best_speedup(schedule: Schedule, acceptance: float, cost: float = 0.0, verdict: float = 0.0) -> float:
    """The most that a schedule can gain without token-level speculation, with answers of equal length and equal steps.

    In units of a target's step: `cost` of a draft's, `verdict` of a verdict. A sequential schedule pays a draft and a
    verdict a step and the target's step for each rejected one. A parallel one, without a window, pays a draft for each
    accepted step and the target's for each rejected one; its verdicts are taken as free.
    """
    rejected = 1 - acceptance
    return 1 / (cost + verdict + rejected if schedule == "sequential" else cost * acceptance + rejected)


def asynchronous_lookahead(acceptance: float, cost: float, window: int) -> float:
    """Speed-up of asynchronous lookahead with equal steps and free verdicts (Lookahead Reasoning, section 4).

    `cost` is the draft's time per step over the target's. The window binds only where the draft can fill it while the
    target writes one step.
    """
    if isnan(acceptance + cost):
        return nan
    a, c, k = acceptance, cost, window
    if c * k >= 1:
        return 1 / (c + (1 - c) * (1 - a))
    if a == 1:
        return float(k)  # the limit
    return (1 - a**k) / ((1 - a) + c * (a - a ** (k + 1) - k * (1 - a) * a**k))


def with_target_speculation(
    acceptance: float, cost: float, verdict: float, target_speculation: TargetSpeculation, continues: bool
) -> float:
    """Speed-up of FPSR by what the target writes ahead of a verdict, with equal steps and a window that never binds.

    `cost` and `verdict` are the time of a draft's step and of a verdict over that of a target's step. Nothing slows
    anything else, and a request costs nothing: so writing on behind an own step tells only without it.
    An accepted step takes `cost`. A rejected one ends with the target's version, begun with the step's prefix (all),
    once the step before is accepted (frontier), or with the rejection (none).
    """
    judged = cost + verdict  # from a step's prefix to the verdict on it
    if isnan(acceptance + judged):  # `max` passes over it
        return nan
    at_once = max(1.0, judged)
    behind_accepted = {"all": at_once, "frontier": max(1 + verdict, judged), "none": 1 + judged}[target_speculation]
    behind_own = at_once if continues or target_speculation != "none" else 1 + judged
    rejected = acceptance * behind_accepted + (1 - acceptance) * behind_own
    return 1 / (acceptance * cost + (1 - acceptance) * rejected)
