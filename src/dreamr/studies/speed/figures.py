"""Figures from tables. Each function selects and draws; it computes no statistics.

A figure comes with the numbers it shows and a text that says what is to be seen.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dreamr.config import NO_DRAFT
from dreamr.report.drawing import INK, ROW, Chart, cross, interval, legend, pair, panels, shown
from dreamr.report.labels import COMPARED, colour
from dreamr.statistics.closed_form import closed_form
from dreamr.statistics.frame import ALL
from dreamr.statistics.words import label


def pairs_in(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of single pairs and, of several, of the pool over all of them, the pool last; adds column `pair`."""
    single = (table.target != ALL) & ~table.draft.isin([ALL, NO_DRAFT])
    several = len(table.loc[single, ["target", "draft"]].drop_duplicates()) > 1
    whole = (table.target == ALL) & (table.draft == ALL) & several
    rows = table.assign(order=whole)[single | whole]
    rows = rows.sort_values(["order", "target", "draft"], kind="stable").drop(columns="order")
    return rows.assign(pair=[pair(row) for _, row in rows.iterrows()])


def accuracy(table: pd.DataFrame, margin: float) -> Chart:
    """Forest plot: change of accuracy against the target, per pair and benchmark, with the margin."""
    rows = _told_apart(pairs_in(table[table.method.isin(COMPARED)]))
    pairs, benchmarks = list(dict.fromkeys(rows.pair)), _all_last(rows.benchmark)
    figure, axes_list = panels(1, len(benchmarks), 2.1, 0.9 + ROW * len(COMPARED) * len(pairs) * 0.85, sharey=True)
    for axes, benchmark in zip(axes_list, benchmarks, strict=True):
        part = rows[rows.benchmark == benchmark]
        for _, row in part.iterrows():
            at = pairs.index(row.pair) + (COMPARED.index(row.method) - 1.5) * 0.18
            interval(axes, row, "accuracy_change", at, color=colour(row.method))
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.axvline(-margin, color=INK, linewidth=0.8, linestyle="--")
        axes.set(title="all benchmarks" if benchmark == ALL else benchmark, xlabel="")
        axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0, symbol=""))
    axes_list[0].set_yticks(range(len(pairs)), pairs)
    axes_list[0].invert_yaxis()
    figure.supxlabel("accuracy minus the target's (points)", fontsize=9, color=INK)
    legend(figure, COMPARED)
    alt = (
        f"Change of accuracy against the target with intervals, for {', '.join(pairs)}; the dashed "
        f"line is the margin of {margin:.0%} that counts as not inferior."
    )
    return Chart(figure, shown(rows, ["accuracy_change"]), alt)


def speed(table: pd.DataFrame) -> Chart:
    """Speed-up of each method on each pair, all benchmarks together."""
    rows = pairs_in(table[(table.benchmark == ALL) & table.method.isin(COMPARED)])
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
    return Chart(figure, shown(rows, ["speedup"]), f"Speed-up with intervals of four methods: {', '.join(pairs)}.")


FACTORS = {"fewer_tokens": "fewer tokens", "delegation": "delegation", "overlap": "overlap"}
UNSPLIT = {"fewer_tokens": "fewer tokens", "time_per_token": "delegation and overlap"}
SHADES = {"fewer_tokens": "#e69f00", "delegation": "#56b4e9", "overlap": "#0072b2", "time_per_token": "#8da0cb"}


def split(table: pd.DataFrame, factors: pd.DataFrame) -> Chart:
    """Speed-ups as products: logarithmic bars, a factor above 1 to the right, one below 1 to the left.

    `factors` has three of them where the sequential method was timed too; elsewhere `table` has two.
    """
    keys = ["target", "draft", "method", "benchmark"]
    known = pd.MultiIndex.from_frame(factors[keys])
    rest = table[~pd.MultiIndex.from_frame(table[keys]).isin(known)]
    both = pd.concat([factors, rest])
    rows = pairs_in(both[(both.benchmark == ALL) & both.method.isin(COMPARED)])
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
    return Chart(figure, shown(rows, ["speedup", *FACTORS, "time_per_token"]), alt)


def _stack(axes: Axes, row: pd.Series, at: int) -> None:
    """One speed-up: its factors end to end from 1 on either side, and the point where their product lies."""
    right = left = 1.0
    for name in UNSPLIT if pd.isna(row.overlap) else FACTORS:
        start = right if row[name] >= 1 else left
        axes.barh(at, start * row[name] - start, left=start, color=SHADES[name], height=0.7)
        right, left = (right * row[name], left) if row[name] >= 1 else (right, left * row[name])
    interval(axes, row, "speedup", at, color=INK)


def acceptance(accepted: pd.DataFrame, timed: pd.DataFrame, window: int) -> Chart:
    """Acceptance against speed-up, with the closed form of asynchronous lookahead for some cost ratios."""
    keys = ["target", "draft", "method", "benchmark"]
    columns = [name for name in timed if name.startswith("speedup")]
    rows = pairs_in(accepted.merge(timed[keys + columns], on=keys))
    rows = rows[(rows.benchmark == ALL) & rows.method.isin(COMPARED) & (rows.pair != "all pairs")]
    figure, (axes,) = panels(1, 1, 5.6, 3.8)
    grid = np.linspace(0, 0.99, 100)
    for cost, line, place in ((0.0, "-", 0.8), (0.1, "--", 0.88), (0.3, ":", 0.96)):
        axes.plot(grid, [closed_form(a, cost, window) for a in grid], line, color=INK, linewidth=0.8)
        at = (place, closed_form(place, cost, window))
        side: dict[str, Any] = {"xytext": (-4, 4), "ha": "right"} if cost == 0 else {"xytext": (4, -4), "va": "top"}
        axes.annotate(f"c = {cost:g}", at, textcoords="offset points", fontsize=8, color=INK, **side)
    for _, row in rows.iterrows():
        cross(axes, row, "acceptance", "speedup", color=colour(row.method))
    axes.axhline(1, color=INK, linewidth=0.5)
    axes.set(xlim=(0, 1.08), xlabel="acceptance (accepted / verified steps)", ylabel="speed-up")
    legend(figure, COMPARED)
    alt = (
        f"Acceptance against speed-up per pair and method. Lines: closed form of asynchronous lookahead with window "
        f"{window}, equal steps, free verdicts and a draft that costs c of the target."
    )
    return Chart(figure, shown(rows, ["acceptance", "speedup"]), alt)


def sapo(curves: pd.DataFrame, quantities: Sequence[str]) -> Chart:
    """Training curves: one panel a quantity; thin lines are drafts, a thick one is the mean of those of one recipe.

    Columns recipe, model, step and the quantities.
    """
    figure, axes_list = panels(-(-len(quantities) // 3), 3, 2.9, 2.1, sharex=True)
    recipes = list(dict.fromkeys(curves.recipe))
    colours = dict(zip(recipes, sns.color_palette("colorblind", len(recipes)).as_hex(), strict=True))
    for axes, name in zip(axes_list, quantities, strict=False):
        for (recipe, _), part in curves.groupby(["recipe", "model"]):
            axes.plot(part.step, _smooth(part[name]), color=colours[recipe], linewidth=0.6, alpha=0.45)
        for recipe, part in curves.groupby("recipe"):
            mean = _smooth(part.groupby("step")[name].mean())
            axes.plot(mean.index, mean, color=colours[recipe], linewidth=1.8)
        axes.set_title(name.replace("_", " "))
    for axes in axes_list[len(quantities) :]:
        axes.set_axis_off()
    figure.supxlabel("training step (running means of five)", fontsize=9, color=INK)
    counts = curves.groupby("recipe").model.nunique()
    names = {recipe: f"{recipe.replace('_', '-')} ({counts[recipe]})" for recipe in recipes}
    handles = [Line2D([], [], color=colours[recipe], linewidth=1.8, label=names[recipe]) for recipe in recipes]
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=len(handles), fontsize=8)
    alt = f"SAPO training curves of {counts.sum()} drafts by recipe: {', '.join(quantities)}."
    return Chart(figure, curves[["recipe", "model", "step", *quantities]], alt.replace("_", " "))


def _smooth(values: pd.Series) -> pd.Series:
    return values.rolling(5, min_periods=1, center=True).mean()


def ablation(table: pd.DataFrame) -> Chart:
    """Each ablation: accuracy, acceptance, speed-up and tokens of its settings."""
    names = ("accuracy", "acceptance", "speedup", "tokens")
    rows = table[(table.benchmark == ALL) & (table.target != ALL) & (table.draft != ALL)]
    kinds = list(dict.fromkeys(rows.kind))
    heights = [rows[rows.kind == kind].setting.nunique() + 1.2 for kind in kinds]
    figure = Figure(figsize=(9, 0.3 * sum(heights) + 0.5), layout="constrained")
    grid = figure.subplots(len(kinds), len(names), sharex="col", squeeze=False, height_ratios=heights)
    for line, kind in zip(grid, kinds, strict=True):
        part = rows[rows.kind == kind].sort_values("setting")
        settings = list(dict.fromkeys(part.setting))
        for axes, name in zip(line, names, strict=True):
            for _, row in part.iterrows():
                interval(axes, row, name, settings.index(row.setting), color=colour(row.method))
            axes.set_yticks(range(len(settings)), settings if name == names[0] else [""] * len(settings))
            axes.set(ylim=(len(settings) - 0.4, -0.6), title=f"{kind}: {name}")
    return Chart(
        figure, shown(rows, list(names), ["kind", "setting"]), f"Ablations of {', '.join(kinds)} with intervals."
    )


def contrasts(table: pd.DataFrame) -> Chart:
    """Forest plot of all contrasts over all benchmarks: of the pool, or of the single pair that they were run on."""
    points = dict.fromkeys(("accuracy_change", "acceptance_change"), "points")
    quantities = points | dict.fromkeys(("tokens_ratio", "speed_ratio"), "ratio")
    rows = _wherever_run(table[table.benchmark == ALL])
    lines = list(dict.fromkeys(rows.line))
    figure, axes_list = panels(1, len(quantities), 2.1, 0.9 + ROW * len(lines), sharey=True)
    for axes, (name, unit) in zip(axes_list, quantities.items(), strict=True):
        for _, row in rows[rows[name].notna()].iterrows():
            interval(axes, row, name, lines.index(row.line), color=colour(row.method))
        axes.axvline(0 if name in points else 1, color=INK, linewidth=0.8)
        axes.set_title(f"{name.partition('_')[0]}, {unit}")
        if name in points:
            axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0, symbol=""))
    axes_list[0].set_yticks(range(len(lines)), lines)
    axes_list[0].invert_yaxis()
    alt = f"{len(lines)} contrasts between two methods with intervals, by what differs between them."
    return Chart(figure, shown(rows, list(quantities), ["differs", "other", "over"]), alt)


def _wherever_run(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each contrast the row of the pool, else those of its pairs; `line` names it."""
    lines = rows.differs + ": " + rows.method.map(label) + " − " + rows.other.map(label)
    pooled = (rows.target == ALL).groupby(lines).transform("any")
    return rows.assign(line=lines)[~pooled | (rows.target == ALL)]


def _panel_each(pairs: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A panel for each pair, three beside each other, with a line for each method."""
    columns = min(3, len(pairs))
    return panels(-(-len(pairs) // columns), columns, 2.9, 0.55 + ROW * len(COMPARED), sharex=True, sharey=True)


def _told_apart(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows by benchmark and, of several benchmarks, over all."""
    return rows if rows.benchmark.nunique() > 2 else rows[rows.benchmark != ALL]


def _all_last(names: pd.Series) -> list[str]:
    return sorted(set(names), key=lambda name: (name == ALL, name))
