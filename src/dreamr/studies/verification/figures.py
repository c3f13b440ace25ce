"""Figures of verdicts against the step oracle."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dreamr.config import PLAIN
from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import INK, ROW, Chart, interval, legend, panels, plotted_rows
from dreamr.statistics.frame import ALL


def judged_right(job: SummariseJob) -> list[str]:
    """The compared methods whose verdicts say right or wrong, not same or different."""
    return [name for name in job.compared if job.methods[name].declared.judges == "step"]


def calibration(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Share of right steps against the verdict, per method, all pairs together."""
    if "calibration" not in tables:
        return None
    table = tables["calibration"]
    rows = table[(table.target == ALL) & (table.draft == ALL) & table.method.isin(judged_right(job))]
    figure, (axes,) = panels(1, 1, 4.2, 3.6)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.6, linestyle=":")
    for method, part in rows.sort_values("verdict").groupby("method", sort=False):
        axes.plot(part.verdict, part.right, "o-", markersize=4, linewidth=1, color=colour(method, job))
        axes.vlines(part.verdict, part.right_low, part.right_high, color=colour(method, job), linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="verdict (rho; score / 9)", ylabel="share of right steps")
    legend(figure, list(dict.fromkeys(rows.method)), job)
    data = plotted_rows(rows, ["verdict", "right"], ["bin"])
    return Chart(
        figure, data, "Share of right draft steps against the target's verdict; on the dotted line both agree."
    )


def roc(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Right against wrong steps accepted, one curve a method and reading of its verdict.

    CPN's thresholds are marked on it, with their intervals.
    """
    if "roc" not in tables:
        return None
    curves, marked = tables["roc"], main_pool(tables["thresholds"], job)
    rows = curves[curves.method.isin(judged_right(job))]
    figure, (axes,) = panels(1, 1, 4.2, 3.6)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.6, linestyle=":")
    for (method, reading), part in rows.groupby(["method", "reading"], sort=False):
        style = "--" if reading == "expected" else "-"
        axes.plot(part.false_accept, part.true_accept, style, color=colour(method, job), linewidth=1.1)
    for _, row in marked.iterrows():
        place, shade = (row.false_accept, 1 - row.false_reject), colour(row.method, job)
        axes.hlines(place[1], row.false_accept_low, row.false_accept_high, color=shade, linewidth=0.8)
        axes.vlines(place[0], 1 - row.false_reject_high, 1 - row.false_reject_low, color=shade, linewidth=0.8)
        axes.plot(*place, "o", markersize=4, color=shade)
    _annotate(axes, marked)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="share of wrong steps accepted", ylabel="share of right steps accepted")
    legend(figure, list(dict.fromkeys(rows.method)), job)
    alt = (
        "ROC curves of the verdicts, all pairs together, dashed for SpecReason's mean digit, with the thresholds alpha "
        "of CPN marked on its curves."
    )
    return Chart(figure, rows, alt)


def _annotate(axes: Axes, marked: pd.DataFrame) -> None:
    """The thresholds in a list beside the curves, each with a line to its point: the points may lie on each other."""
    line = {"arrowstyle": "-", "color": INK, "linewidth": 0.5}
    for number, (_, row) in enumerate(marked.sort_values("alpha").iterrows()):
        point, listed = (row.false_accept, 1 - row.false_reject), (0.65, 0.55 - 0.07 * number)
        text = f"alpha {row.alpha:g}"
        axes.annotate(text, point, xytext=listed, textcoords="axes fraction", fontsize=8, arrowprops=line)


READINGS = {"rho": "-", "likeliest digit": "-.", "mean digit": "--"}  # and how their lines look


def readings(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """ROC curves of three readings and their matched thresholds; a panel for each draft, of the pool or of a pair."""
    curves = tables.get("reading_curves", pd.DataFrame())
    if curves.empty:
        return None
    place = ["drafted_by", "target", "draft"]
    panels_of = list(curves.groupby(place))
    figure, axes_list = panels(1, len(panels_of), 3.8, 3.4, sharex=True, sharey=True)
    for axes, (key, rows) in zip(axes_list, panels_of, strict=True):
        points = tables["readings"].merge(rows[[*place, "reading"]].drop_duplicates())
        _draw_readings(axes, rows, points, job)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="share of wrong steps accepted", title=_drafted(str(key[0])))
    axes_list[0].set_ylabel("share of right steps accepted")
    handles = [Line2D([], [], color=INK, label=name, **_line(name)) for name in READINGS]
    legend(figure, list(dict.fromkeys(curves.method)), job, handles, ncols=3)
    alt = "ROC curves of CPN's rho, of SpecReason's likeliest digit and of its mean digit, with matched thresholds."
    data = curves[[*place, "method", "reading", "threshold", "false_accept", "true_accept"]]
    return Chart(figure, data, alt)


def _line(reading: str) -> dict[str, Any]:
    return {"linestyle": READINGS[reading], "linewidth": 1.1}


def _drafted(by: str) -> str:
    return "draft before SAPO" if by == PLAIN else f"{by.replace('_', '-')} draft"


def _draw_readings(axes: Axes, curves: pd.DataFrame, points: pd.DataFrame, job: SummariseJob) -> None:
    """One panel: a curve for each reading, and its point with both intervals."""
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.6, linestyle=":")
    for reading, part in curves.groupby("reading"):
        shade = colour(part.method.iloc[0], job)
        axes.plot(part.false_accept, part.true_accept, color=shade, **_line(str(reading)))
    for _, row in points.iterrows():
        shade = colour(row.method, job)
        axes.hlines(1 - row.false_reject, row.false_accept_low, row.false_accept_high, color=shade, linewidth=0.8)
        axes.plot(row.false_accept, 1 - row.false_reject, "o", markersize=4.5, color=shade)


def main_pool(thresholds: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Rows of the reference over all pairs and benchmarks."""
    whole = (thresholds[["target", "draft", "benchmark"]] == ALL).all(axis=1)
    return thresholds[whole & (thresholds.method == job.reference)]


def claims(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """False accepts by what a step claims, one row a kind, where all steps before are right; all pairs together."""
    if "step_parts" not in tables:
        return None
    table = tables["step_parts"]
    rows = table[(table.target == ALL) & (table.draft == ALL) & table.method.isin(judged_right(job))]
    rows = rows[(rows.prefix == "right so far") & rows.false_accept.notna()]
    methods = judged_right(job)
    kinds = list(dict.fromkeys(rows.sort_values("n", ascending=False).claim))
    figure, (axes,) = panels(1, 1, 5.6, 0.9 + ROW * 1.4 * len(kinds))
    for _, row in rows.iterrows():
        at = kinds.index(row.claim) + (methods.index(row.method) - (len(methods) - 1) / 2) * 0.66 / len(methods)
        interval(axes, row, "false_accept", at, color=colour(row.method, job))
    axes.set_yticks(range(len(kinds)), kinds)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of wrong steps accepted")
    legend(figure, list(dict.fromkeys(rows.method)), job)
    data = plotted_rows(rows, ["false_accept"], ["prefix", "claim"])
    return Chart(figure, data, "Share of wrong steps that were accepted, by what they claim, with intervals.")
