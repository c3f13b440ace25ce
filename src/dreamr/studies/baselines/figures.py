"""Figure of accuracy against speed, by what is judged."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import loop_colour
from dreamr.report.drawing import INK, Chart, cross, pairs_in, panels, plotted_rows


def baselines(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Change of accuracy against speed-up; a panel for each pair."""
    rows = pairs_in(tables["baselines"], job.names)
    if rows.empty:
        return None
    places = list(dict.fromkeys(rows.pair))
    figure, axes_list = panels(1, len(places), 4.2, 3.4, sharex=True, sharey=True)
    for axes, place in zip(axes_list, places, strict=True):
        _draw(axes, rows[rows.pair == place], job)
        axes.set(title=place, xlabel="times as fast as the target alone")
    axes_list[0].set_ylabel("accuracy minus the target's (points)")
    loops = {method.loop: method.declared.label for method in (job.methods[name] for name in rows.method)}
    handles = [_dot(loop, label, job) for loop, label in loops.items()]
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2)
    alt = f"Change of accuracy against speed-up of {rows.method.nunique()} methods that judge tokens, steps or answers."
    data = plotted_rows(rows, ["accuracy_change", "speedup"], ["level", "setting"])
    return Chart(figure, data, alt)


def _dot(loop: str, label: str, job: SummariseJob) -> Line2D:
    return Line2D([], [], marker="o", linestyle="", color=loop_colour(loop, job), label=label)


def _numbers(settings: "pd.Series[Any]") -> "pd.Series[float]":
    """Those at the end of settings in words; none of an empty one, which is read from a file as NaN."""
    return settings.astype(str).str.extract(r"(\S+)$", expand=False).astype(float)


def _draw(axes: Axes, rows: pd.DataFrame, job: SummariseJob) -> None:
    """Every method of a pair; those that differ in a setting alone are joined, and named by it."""
    for _, row in rows.iterrows():
        shade = loop_colour(job.methods[row.method].loop, job)
        cross(axes, row, "speedup", "accuracy_change", color=shade)
    of_draft = rows.method.map(lambda name: f"{job.methods[name].loop} {job.methods[name].draft}")
    for _, part in rows[rows.level != "steps"].groupby(of_draft):
        line = part.sort_values("setting", key=_numbers)
        shade = loop_colour(job.methods[line.method.iloc[0]].loop, job)
        axes.plot(line.speedup, line.accuracy_change, color=shade, linewidth=0.6)
    axes.plot(1, 0, "D", color=INK, markersize=5)
    axes.axhline(0, color=INK, linewidth=0.5)
    axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0, symbol=""))
