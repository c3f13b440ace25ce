"""Load: what is left of a speed-up when several questions are under way at once.

Each block of questions was answered as a closed loop with n under way, by the method and by target-only right beside.
Questions of one block wait for each other and share a minute of the machine, so they are not independent. Blocks are:
they share no question and no time, and each is a paired ratio. So the block is the cluster of every interval,
and an interval speaks of blocks like these on this machine. Six are needed at least, where 95 % intervals cover some
92 %; with eight they cover 95 % (tests/simulations.py). At one load mean latency times throughput is n (Little's law):
the two ratios tell the same but for the blocks' ends, where fewer are under way.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import exp, inf, isinf, isnan, log, nan

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.devices import devices
from dreamr.statistics.frame import ALL, KEYS, on_one_device
from dreamr.statistics.intervals import Quantity, mean, ratio
from dreamr.statistics.pooling import tabulate

LOAD: dict[str, Quantity] = {
    "speedup": ratio("baseline_seconds", "seconds"),  # of the mean latency
    "throughput_ratio": ratio("baseline_share", "share"),
    # Answers per device that is held, the method's over the target's.
    "throughput_per_held_device": ratio("baseline_held_share", "held_share"),
    "seconds": mean("seconds"),
    "baseline_seconds": mean("baseline_seconds"),
    "throughput": ratio("n", "share"),  # questions a second
    "baseline_throughput": ratio("n", "baseline_share"),
    # On average over the wall clock of the blocks: latencies over wall clock (Little's law).
    "under_way": ratio("seconds", "share"),
    "baseline_under_way": ratio("baseline_seconds", "baseline_share"),
}
GAINS = ("speedup", "throughput_ratio", "throughput_per_held_device")
ENDS = ("", "_low", "_high")


def load(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Latency and throughput of each method and of target-only with `at_once` questions under way; all benchmarks.

    `throughput_per_held_device` is the throughput ratio times the target's devices over those that the method holds.
    `under_way` questions are so on average: at its end a block has fewer than `at_once`.
    """
    table = tabulate(under_load(rows, job), job, LOAD, [*KEYS, "at_once"])
    return table[table.benchmark == ALL].reset_index(drop=True)


def under_load(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Rows answered under load, the block as `cluster`; `share` is a question's part of its block's wall clock.

    `held_share` is that times the devices held. An answer that a refusal ends early lightens the load of all others, so
    such a block is left out for every method of the same target and draft.
    """
    rows = on_one_device(rows[rows["mode"] == "load"]).reset_index(drop=True)
    blocks = pd.DataFrame(rows.load.to_list(), columns=["block", "questions", "seconds", "baseline_seconds"])
    held = devices(rows, job)
    share, baseline = (seconds / blocks.questions for seconds in (blocks.seconds, blocks.baseline_seconds))
    rows = rows.assign(
        cluster=blocks.block,
        share=share,
        baseline_share=baseline,
        held_share=share * (held.target + held.draft),
        baseline_held_share=baseline * held.alone,
        weight=1.0,  # the block as it was asked
    )
    spoilt = (rows.refused == 1) | rows.baseline_seconds.isna()
    return rows[~spoilt.groupby([rows.target, rows.draft, rows.at_once, rows.cluster]).transform("any")]


def break_even(written: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Up to how many questions at once each ratio stays above 1, between measured loads by interpolation.

    0: nowhere. inf: beyond the `largest` load that was measured, of which nothing is known. An end of an interval is
    where that end of the ratio's own interval falls to 1, so it holds the loads at which the ratio is not decidedly
    above or below. `X_told` is the same in words.
    """
    table = written["load"]
    single = table[(table.target != ALL) & (table.draft != ALL)].sort_values("at_once")
    lines = []
    for (target, draft, method), part in single.groupby(["target", "draft", "method"]):
        sizes = part.at_once.tolist()
        met = {f"{name}{end}": crossing(sizes, part[f"{name}{end}"].tolist()) for name in GAINS for end in ENDS}
        told = {f"{name}_told": _told(*(met[f"{name}{end}"] for end in ENDS), largest=sizes[-1]) for name in GAINS}
        key = {"target": target, "draft": draft, "method": method, "benchmark": ALL, "largest": sizes[-1]}
        lines.append(key | {"n": part.n.sum(), "clusters": part.clusters.min()} | met | told)
    cells = [f"{name}{end}" for name in GAINS for end in (*ENDS, "_told")]
    return pd.DataFrame(lines, columns=[*KEYS, "largest", "n", "clusters", *cells])


def crossing(sizes: Sequence[int], gains: Sequence[float]) -> float:
    """The load at which a gain first falls below 1, on straight lines between logarithms of both.

    0 where it begins below, inf where it never falls, NaN where it is unknown at some load.
    """
    if any(isnan(gain) for gain in gains):
        return nan
    if gains[0] < 1:
        return 0.0
    for (size, gain), (more, less) in pairwise(zip(sizes, gains, strict=True)):
        if less < 1:
            return exp(log(size) + log(more / size) * log(gain) / log(gain / less))
    return inf


def _told(value: float, low: float, high: float, *, largest: int) -> str:
    """Where a ratio falls to 1, in words: what lies beyond the largest load is no estimate."""

    def load(at: float) -> str:
        return "nowhere" if at == 0 else f"at least {largest}" if isinf(at) else f"{at:.1f}"

    if isnan(low) or low == high:
        return load(value)
    if isinf(value):
        return f"{load(value)}, open {f'from {load(low)} on' if low else 'at every load'}"
    if value == 0:
        return f"{load(value)}, open {'at every load' if isinf(high) else f'up to {load(high)}'}"
    return f"{load(value)} [{load(low)}, {load(high)}]"
