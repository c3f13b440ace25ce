"""Figures of what the target writes ahead of a verdict."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import pandas as pd
from matplotlib.lines import Line2D

from dreamr.config import TargetSpeculation
from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import GREY, INK, Chart, interval, panels
from dreamr.statistics.closed_forms import with_target_speculation
from dreamr.statistics.comparisons import schedule

PIPELINED: tuple[TargetSpeculation, bool] = ("none", False)  # and `continues`: what the others are set against
LADDER = 2  # settings in the schedule ablation; more are an experiment of their own
# Of settings; colours are methods'.
MARKERS: dict[TargetSpeculation, str] = {"all": "o", "frontier": "^", "none": "s"}
FILLS: dict[TargetSpeculation, str] = {"all": INK, "frontier": "none", "none": GREY}


def target_speculation(tables: Mapping[str, pd.DataFrame]) -> Chart | None:
    """What the virtual clock says, where it was asked."""
    return computed(tables["target_speculation"]) if "target_speculation" in tables else None


def target_speculation_measured(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Settings beside the reference, on the questions that all have, where there are more than in the ladder."""
    table = tables["arms"]
    return measured(table, job) if table.setting.nunique() > LADDER else None


def computed(table: pd.DataFrame) -> Chart:
    """Speed-up of each setting over that of the pipelined one against acceptance, a panel for each condition."""
    verdicts, crowdings = sorted(table.verdict.unique()), sorted(table.crowding.unique())
    figure, axes_list = panels(len(verdicts), len(crowdings), 2.5, 2.1, sharex=True, sharey="row")
    for axes, (verdict, crowding) in zip(axes_list, product(verdicts, crowdings), strict=True):
        here = table[(table.verdict == verdict) & (table.crowding == crowding)]
        slowest = here[(here.target_speculation == PIPELINED[0]) & ~here.continues].set_index("acceptance").speedup
        for setting, part in here[here.continues].groupby("target_speculation", sort=False):
            gain = part.speedup / part.acceptance.map(slowest)
            axes.plot(part.acceptance, gain, linewidth=1, **_look(setting))
            expected = [_gain(a, part.cost.iloc[0], verdict, setting) for a in slowest.index]
            axes.plot(slowest.index, expected, ":", linewidth=1, color=GREY)
        axes.axhline(1, color=INK, linewidth=0.8)
        axes.set_title(f"a verdict costs {verdict:g}, crowding {crowding:g}", fontsize=8)
    figure.supxlabel("acceptance", fontsize=9, color=INK)
    figure.supylabel("speed-up over the pipelined arm's", fontsize=9, color=INK)
    handles = [Line2D([], [], label=schedule(name, True), **_look(name)) for name in MARKERS]
    handles.append(Line2D([], [], linestyle=":", color=GREY, label="closed form"))
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2)
    alt = "Gain of target speculation over a pipeline without it, by acceptance, verdict and crowding: computed."
    return Chart(figure, table, alt)


def _look(setting: TargetSpeculation) -> dict[str, Any]:
    return {"color": INK, "marker": MARKERS[setting], "markersize": 4, "markerfacecolor": FILLS[setting]}


def _gain(acceptance: float, cost: float, verdict: float, target_speculation: TargetSpeculation) -> float:
    with_them, without = (
        with_target_speculation(acceptance, cost, verdict, *setting)
        for setting in ((target_speculation, True), PIPELINED)
    )
    return with_them / without


def measured(table: pd.DataFrame, job: SummariseJob) -> Chart:
    """Speed over the reference's, and the tokens that the target wrote, of settings that commit the same text."""
    reference = job.label(job.reference)
    quantities = {
        "speed_ratio": f"times as fast as {reference}",
        "target_tokens": "tokens that the target wrote, an answer",
    }
    settings = list(dict.fromkeys(table.sort_values("speed_ratio", ascending=False).setting))
    figure, axes_list = panels(1, len(quantities), 3.4, 0.7 + 0.3 * len(settings), sharey=True)
    for axes, (name, words) in zip(axes_list, quantities.items(), strict=True):
        for _, row in table.iterrows():
            if name != "speed_ratio" or row.method != job.reference:  # whose ratio to itself is no estimate
                interval(axes, row, name, settings.index(row.setting), color=colour(row.method, job))
        axes.set(xlabel=words, ylim=(len(settings) - 0.4, -0.6))
    axes_list[0].axvline(1, color=INK, linewidth=0.8)
    axes_list[0].set_yticks(range(len(settings)), settings)
    alt = (
        f"Speed of {len(settings)} settings over that of {reference}, and the target's tokens, with intervals, on the "
        "questions that were timed under all of them."
    )
    return Chart(figure, table, alt)
