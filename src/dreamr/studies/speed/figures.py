"""Figures of speed-ups, and of the factors that they are made of."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dreamr.planning.jobs import SummariseJob
from dreamr.report.drawing import INK, ROW, Chart, interval, main_pairs, pairs_in, panels, plotted_rows
from dreamr.report.labels import COMPARED, colour
from dreamr.statistics.frame import ALL, KEYS
from dreamr.statistics.words import label


def speed(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Speed-up of each method on each pair, all benchmarks together."""
    table = main_pairs(tables["speed"], job)
    if table.empty:
        return None
    rows = pairs_in(table[table.benchmark == ALL])
    pairs = list(dict.fromkeys(rows.pair))
    figure, axes_list = _panel_each(pairs)
    for axes, name in zip(axes_list, pairs, strict=False):
        for _, row in rows[rows.pair == name].iterrows():
            at = COMPARED.index(row.method)
            axes.barh(at, row.speedup, color=colour(row.method), height=0.7, alpha=0.85)
            axes.hlines(at, row.speedup_low, row.speedup_high, color=INK, linewidth=1.2)
        axes.axvline(1, color=INK, linewidth=0.8)
        axes.set_title(name)
    axes_list[0].set_yticks(range(len(COMPARED)), [label(method) for method in COMPARED])
    axes_list[0].invert_yaxis()
    for axes in axes_list[len(pairs) :]:
        axes.set_axis_off()
    figure.supxlabel("speed-up over the target by itself", fontsize=9, color=INK)
    return Chart(
        figure, plotted_rows(rows, ["speedup"]), f"Speed-up with intervals of each method: {', '.join(pairs)}."
    )


FACTORS = {"fewer_tokens": "fewer tokens", "delegation": "delegation", "overlap": "overlap"}
UNSPLIT = {"fewer_tokens": "fewer tokens", "time_per_token": "delegation and overlap"}
SHADES = {"fewer_tokens": "#e69f00", "delegation": "#56b4e9", "overlap": "#0072b2", "time_per_token": "#8da0cb"}


def split(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Speed-ups as products: logarithmic bars, a factor above 1 to the right, one below 1 to the left.

    Three factors where the sequential method was timed too, elsewhere two.
    """
    table, factors = (main_pairs(tables[name], job) for name in ("speed", "split"))
    if table.empty:
        return None
    known = pd.MultiIndex.from_frame(factors[KEYS])
    rest = table[~pd.MultiIndex.from_frame(table[KEYS]).isin(known)]
    both = pd.concat([factors, rest])
    rows = pairs_in(both[both.benchmark == ALL])
    pairs = list(dict.fromkeys(rows.pair))
    figure, axes_list = _panel_each(pairs)
    for axes, name in zip(axes_list, pairs, strict=False):
        for _, row in rows[rows.pair == name].iterrows():
            _stack(axes, row, COMPARED.index(row.method))
        axes.axvline(1, color=INK, linewidth=0.8)
        axes.set_title(name)
    axes_list[0].set(xscale="log", xticks=(0.5, 1, 2, 4), xticklabels=("0.5", "1", "2", "4"))
    axes_list[0].minorticks_off()
    axes_list[0].set_yticks(range(len(COMPARED)), [label(method) for method in COMPARED])
    axes_list[0].invert_yaxis()
    for axes in axes_list[len(pairs) :]:
        axes.set_axis_off()
    figure.supxlabel("factor of the speed-up; the point is their product", fontsize=9, color=INK)
    handles = [Patch(color=SHADES[name], label=words) for name, words in (FACTORS | UNSPLIT).items()]
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=len(handles))
    alt = "Speed-up as a product of its factors on a logarithmic scale, per pair and method."
    return Chart(figure, plotted_rows(rows, ["speedup", *FACTORS, "time_per_token"]), alt)


def _stack(axes: Axes, row: pd.Series, at: int) -> None:
    """One speed-up: its factors end to end from 1 on either side, and the point where their product lies."""
    right = left = 1.0
    for name in UNSPLIT if pd.isna(row.overlap) else FACTORS:
        start = right if row[name] >= 1 else left
        axes.barh(at, start * row[name] - start, left=start, color=SHADES[name], height=0.7)
        right, left = (right * row[name], left) if row[name] >= 1 else (right, left * row[name])
    interval(axes, row, "speedup", at, color=INK)


def _panel_each(pairs: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A panel for each pair, three beside each other, with a line for each method."""
    columns = min(3, len(pairs))
    return panels(-(-len(pairs) // columns), columns, 2.9, 0.55 + ROW * len(COMPARED), sharex=True, sharey=True)
