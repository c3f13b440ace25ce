"""Figures of speed against acceptance, and against the steps that share a verdict."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import loop_colour
from dreamr.report.drawing import INK, Chart, cross, pairs_in, panels, plotted_rows
from dreamr.statistics.closed_forms import Costs, costs_of_pairs, expected_speedup

DICE_LINE, JUDGED_LINE = "--", "-"


def speed_at_acceptance(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Speed-up of each schedule at each acceptance, with its closed form; a panel for each pair."""
    rows = pairs_in(tables["dice"], job.names)
    if rows.empty:
        return None
    places = list(dict.fromkeys(rows.pair))
    figure, axes_list = panels(1, len(places), 4.6, 3.4, sharey=True)
    for axes, place in zip(axes_list, places, strict=True):
        here = rows[rows.pair == place]
        for _, part in here.sort_values("acceptance").groupby("schedule"):
            _draw_schedule(axes, part, costs_of_pairs(tables), job)
        for level in here.set_acceptance[here.published].unique():
            axes.axvline(level, color=INK, linewidth=0.5, linestyle=(0, (1, 3)))
        axes.axhline(1, color=INK, linewidth=0.8)
        axes.set(xlabel="acceptance (accepted / verified steps)", xlim=(-0.03, 1.03), title=place)
    axes_list[0].set_ylabel("speed-up")
    drawn = {schedule: job.methods[part.method.iloc[0]].loop for schedule, part in rows.groupby("schedule")}
    handles = [Line2D([], [], marker="o", color=loop_colour(loop, job), label=name) for name, loop in drawn.items()]
    handles.append(Line2D([], [], linestyle=":", color=INK, label="closed form"))
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2)
    alt = f"Speed-up over the target alone against acceptance, of {len(drawn)} schedules, with their closed forms."
    return Chart(figure, plotted_rows(rows, ["acceptance", "speedup"], ["schedule", "set_acceptance", "expected"]), alt)


def _draw_schedule(axes: Axes, part: pd.DataFrame, costs: Costs, job: SummariseJob) -> None:
    """One schedule on one pair: its points with their intervals, and the closed form where costs are known."""
    method = job.methods[part.method.iloc[0]]
    shade = loop_colour(method.loop, job)
    axes.plot(part.acceptance, part.speedup, "-", color=shade, linewidth=0.8)
    for _, row in part.iterrows():
        cross(axes, row, "acceptance", "speedup", color=shade)
    pair = (part.target.iloc[0], part.draft.iloc[0])
    if part.expected.notna().any() and pair in costs:
        grid = np.linspace(0, 1, 101)
        form = [expected_speedup(method, level, *costs[pair]) for level in grid]
        axes.plot(grid, form, ":", color=shade, linewidth=1.2)


def per_verdict(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Speed-up by how many steps share a verdict, with the closed form; a panel for each pair."""
    rows = pairs_in(tables["per_verdict"], job.names)
    if rows.empty:
        return None
    places = list(dict.fromkeys(rows.pair))
    figure, axes_list = panels(1, len(places), 4.6, 3.0, sharey=True)
    for axes, place in zip(axes_list, places, strict=True):
        for _, part in rows[rows.pair == place].groupby("base"):
            _draw_base(axes, part.sort_values("steps"), job)
        axes.axhline(1, color=INK, linewidth=0.8)
        axes.set_xticks(sorted(rows.steps.unique()))
        axes.set(xlabel="steps to a verdict", title=place)
    axes_list[0].set_ylabel("speed-up")
    bases = list(dict.fromkeys(rows.base))
    handles = [Line2D([], [], marker="o", label=job.label(base), **_look(base, job)) for base in bases]
    handles.append(Line2D([], [], linestyle=":", color=INK, label="closed form"))
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2)
    alt = f"Speed-up over the target alone by the steps that share a verdict, of {len(bases)} methods."
    return Chart(figure, plotted_rows(rows, ["speedup", "acceptance"], ["base", "steps", "expected"]), alt)


def _look(base: str, job: SummariseJob) -> dict[str, Any]:
    """A method's colour is its loop's; the line of dice is broken."""
    method = job.methods[base]
    return {
        "color": loop_colour(method.loop, job),
        "linestyle": JUDGED_LINE if method.acceptance is None else DICE_LINE,
    }


def _draw_base(axes: Axes, part: pd.DataFrame, job: SummariseJob) -> None:
    """One method with its steps to a verdict; the intervals stand a little apart."""
    look = _look(part.base.iloc[0], job)
    aside = 0.06 if look["linestyle"] == DICE_LINE else -0.06 * (job.methods[part.base.iloc[0]].declared.sequential)
    axes.plot(part.steps + aside, part.speedup, marker="o", markersize=4.5, linewidth=0.9, **look)
    axes.vlines(part.steps + aside, part.speedup_low, part.speedup_high, color=look["color"], linewidth=1.1)
    axes.plot(part.steps + aside, part.expected, ":", color=look["color"], linewidth=1.2)
