"""Load: what is left of a speed-up when several questions are under way at once.

Each block of questions was answered as a closed loop with n under way, by the method and by target-only right beside.
Questions of one block wait for each other and share a minute of the machine, so they are not independent. Blocks are:
they share no question and no time, and each is a ratio of neighbours. So the block is the cluster of every interval,
and an interval speaks of blocks like these on this machine. Six are needed at least, where 95 % intervals cover some
92 %; with eight they cover 95 % (tests/simulations.py). At one load mean latency times throughput is n (Little's law):
the two ratios tell the same but for the blocks' ends, where fewer are under way.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, KEYS, Sums, estimates, on_one_device, sampling, tabulate
from dreamr.statistics.intervals import Array, Quantity, mean, ratio

LOAD: dict[str, Quantity] = {
    "speedup": ratio("baseline_seconds", "seconds"),  # of the mean latency
    "throughput_ratio": ratio("baseline_share", "share"),
    "seconds": mean("seconds"),
    "baseline_seconds": mean("baseline_seconds"),
    "throughput": ratio("n", "share"),  # questions a second
    "baseline_throughput": ratio("n", "baseline_share"),
}
SIDES = {"speedup": ("baseline_seconds", "seconds"), "throughput_ratio": ("baseline_share", "share")}


def load(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Latency and throughput of each method and of target-only with `at_once` questions under way; all benchmarks."""
    table = tabulate(under_load(rows), job, LOAD, [*KEYS, "at_once"])
    return table[table.benchmark == ALL].reset_index(drop=True)


def under_load(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows answered under load, the block as `cluster`; `share` is a question's part of its block's wall clock.

    An answer that a refusal ends early lightens the load of all others, so such a block is left out for every method of
    the same target and draft.
    """
    rows = on_one_device(rows[rows["mode"] == "load"]).reset_index(drop=True)
    blocks = pd.DataFrame(rows.load.to_list(), columns=["block", "questions", "seconds", "baseline_seconds"])
    rows = rows.assign(
        cluster=blocks.block,
        share=blocks.seconds / blocks.questions,
        baseline_share=blocks.baseline_seconds / blocks.questions,
        weight=1.0,  # the block as it was asked
    )
    spoilt = (rows.refused == 1) | rows.baseline_seconds.isna()
    return rows[~spoilt.groupby([rows.target, rows.draft, rows.at_once, rows.cluster]).transform("any")]


def break_even(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Up to how many questions at once each ratio stays above 1, between measured loads by interpolation.

    0: nowhere. `largest`, the largest load that was measured: at least so many.
    """
    rows = under_load(rows)
    lines = []
    for (target, draft, method), part in rows.groupby(["target", "draft", "method"]):
        sizes = sorted(part.at_once.unique())
        quantities = {name: crossing(*columns, sizes) for name, columns in SIDES.items()}
        key = {"target": target, "draft": draft, "method": method, "benchmark": ALL, "largest": sizes[-1]}
        lines.append(key | estimates(_by_size(part), sampling(job), quantities))
    empty = [f"{name}{end}" for name in SIDES for end in ("", "_low", "_high")]
    return pd.DataFrame(lines, columns=[*KEYS, "largest", "n", "clusters", *empty])


def _by_size(rows: pd.DataFrame) -> Sums:
    """Sums of each block, a column for each quantity at each load; a block lacks none of the loads."""
    names = sorted({name for columns in SIDES.values() for name in columns})
    wide = rows.pivot_table(index="cluster", columns="at_once", values=[*names, "n"], aggfunc="sum").dropna()
    sums = {f"{name} {size}": wide[name, size].to_numpy(dtype=float) for name, size in wide.columns}
    return sums | {"n": wide["n"].sum(axis=1).to_numpy(dtype=float)}


def crossing(above: str, below: str, sizes: Sequence[int]) -> Quantity:
    """The load at which the ratio of two columns first falls to 1, on straight lines between logarithms of both."""

    def quantity(sums: Mapping[str, Array]) -> Array:
        gains = np.log(np.stack([np.asarray(sums[f"{above} {n}"] / sums[f"{below} {n}"]) for n in sizes]))
        return np.exp2(_first_zero(np.log2(sizes), gains))

    return quantity


def _first_zero(places: Array, values: Array) -> Array:
    """Where `values` (places, ...) first fall below 0: -inf at the first of `places`, the last of them for nowhere."""
    lost = values < 0
    after = np.where(lost.any(axis=0), lost.argmax(axis=0), len(places) - 1)
    before = np.maximum(after - 1, 0)
    high, low = (np.take_along_axis(values, place[None], axis=0)[0] for place in (before, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        met = places[before] + (places[after] - places[before]) * high / (high - low)
    met = np.where(lost.any(axis=0), met, places[-1])
    return np.where(lost[0], -np.inf, met)
