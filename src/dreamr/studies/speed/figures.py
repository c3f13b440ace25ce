"""Figures of speed-ups, and of the factors that they are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dreamr.planning.jobs import SummariseJob
from dreamr.report.drawing import (
    GREY,
    INK,
    ROW,
    Chart,
    interval,
    main_pairs,
    pairs_in,
    panels,
    plotted_rows,
    pool_and_pairs,
)
from dreamr.statistics.frame import ALL, KEYS


def speed(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Speed-up of each method over all pairs with its interval, and of each pair."""
    table = main_pairs(tables["speed"], job)
    if table.empty:
        return None
    rows = pairs_in(table[table.benchmark == ALL], job.names)
    figure, (axes,) = panels(1, 1, 6.0, 0.8 + 0.3 * len(job.compared))
    pool_and_pairs(axes, rows, "speedup", job)
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set(xlabel="times as fast as the target alone")
    alt = f"Speed-up with intervals of {len(job.compared)} methods, over all pairs and of each: 1 is the target alone."
    return Chart(figure, plotted_rows(rows, ["speedup"]), alt)


# In words, and how their bars are hatched: colours are methods'.
FACTORS = {
    "fewer_tokens": ("length of the answer", "////"),
    "delegation": ("delegation", "|||||"),
    "starts": ("fewer starts", "...."),
    "parallel": ("parallel work", ""),
    "overlap": ("fewer starts and parallel work", "++++"),
    "time_per_token": ("all but the length", "xxxx"),
}
# The finest factors that are known of a speed-up are drawn.
KNOWN = (
    ("fewer_tokens", "delegation", "starts", "parallel"),
    ("fewer_tokens", "delegation", "overlap"),
    ("fewer_tokens", "time_per_token"),
)


def split(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Speed-ups as products: logarithmic bars, a factor above 1 to the right, one below 1 to the left.

    Three or four factors where the sequential method was timed too, elsewhere two; the pool, and the pairs with more.
    """
    table, factors = (main_pairs(tables[name], job) for name in ("speed", "split"))
    if table.empty:
        return None
    known = pd.MultiIndex.from_frame(factors[KEYS])
    rest = table[~pd.MultiIndex.from_frame(table[KEYS]).isin(known)]
    both = pd.concat([factors, rest])
    rows = pairs_in(both[both.benchmark == ALL], job.names)
    telling = (rows.target == ALL) | (rows.groupby("pair").overlap.transform("count") > 1)
    rows = rows[telling] if telling.any() else rows
    pairs, methods = list(dict.fromkeys(rows.pair)), job.compared[::-1]
    figure, axes_list = _panel_each(pairs, len(methods))
    for axes, name in zip(axes_list, pairs, strict=False):
        for _, row in rows[rows.pair == name].iterrows():
            _stack(axes, row, methods.index(row.method))
        axes.axvline(1, color=INK, linewidth=0.8)
        axes.set_title(name)
    axes_list[0].set(xscale="log", xticks=(0.5, 1, 2, 4), xticklabels=("0.5", "1", "2", "4"))
    axes_list[0].minorticks_off()
    axes_list[0].set_yticks(range(len(methods)), [job.label(method) for method in methods])
    axes_list[0].invert_yaxis()
    for axes in axes_list[len(pairs) :]:
        axes.set_axis_off()
    figure.supxlabel("factor of the speed-up; the point is their product", fontsize=9, color=INK)
    drawn = {name for _, row in rows.iterrows() for name in _known(row)}
    handles = [Patch(label=FACTORS[name][0], **_look(name)) for name in FACTORS if name in drawn]
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3)
    alt = "Speed-up as a product of its factors on a logarithmic scale, per pair and method."
    return Chart(figure, plotted_rows(rows, ["speedup", *FACTORS]), alt)


def _stack(axes: Axes, row: pd.Series, at: int) -> None:
    """One speed-up: its factors end to end from 1 on either side, and the point where their product lies."""
    right = left = 1.0
    for name in _known(row):
        start = right if row[name] >= 1 else left
        axes.barh(at, start * row[name] - start, left=start, height=0.6, **_look(name))
        right, left = (right * row[name], left) if row[name] >= 1 else (right, left * row[name])
    interval(axes, row, "speedup", at, color=INK)


def _known(row: pd.Series) -> Sequence[str]:
    return next((names for names in KNOWN if row[[*names]].notna().all()), KNOWN[-1])


def _look(name: str) -> dict[str, Any]:
    face = GREY if name == "parallel" else "none"
    return {"facecolor": face, "edgecolor": INK, "hatch": FACTORS[name][1], "linewidth": 0.6}


def _panel_each(pairs: Sequence[str], methods: int) -> tuple[Figure, list[Axes]]:
    """A panel for each pair, three beside each other, with so many lines."""
    columns = min(3, len(pairs))
    return panels(-(-len(pairs) // columns), columns, 2.9, 0.55 + ROW * methods, sharex=True, sharey=True)
