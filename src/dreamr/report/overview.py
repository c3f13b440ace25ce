"""The figure of the first screen: what every method does to accuracy and to speed."""

from collections.abc import Sequence

import matplotlib
import pandas as pd
from matplotlib.lines import Line2D

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import INK, Chart, cross, legend, panels
from dreamr.statistics.frame import ALL, BASELINE

ENDS = ["accuracy_change_low", "accuracy_change_high"]
KEYS = ["target", "draft", "method", "benchmark"]


def overview(accuracy: pd.DataFrame, speed: pd.DataFrame, job: SummariseJob) -> Chart:
    """Change of accuracy against speed-up of each main method but the target, over all pairs and benchmarks.

    The target stands at (1, 0) by definition; dashed is the margin of non-inferiority below it.
    """
    rows, margin = pooled(accuracy, speed, job.display.main), job.statistics.margin
    figure, (axes,) = panels(1, 1, 4.6, 3.6)
    for _, row in rows.iterrows():
        cross(axes, _without_chance(row), "speedup", "accuracy_change", color=colour(row.method, job))
    axes.plot(1, 0, "D", color=INK, markersize=6)
    axes.axvline(1, color=INK, linewidth=0.6)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.axhline(-margin, color=INK, linewidth=0.9, linestyle="--")
    axes.annotate("margin", (1, -margin), xycoords=("axes fraction", "data"), va="top", ha="right", fontsize=8)
    axes.set(xlabel="times as fast as the target alone", ylabel="accuracy minus the target's (points)")
    axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0, symbol=""))
    target = Line2D([], [], marker="D", linestyle="", color=INK, label=job.label(BASELINE))
    legend(figure, list(rows.method), job, [target], ncols=3)
    cells = [f"{name}{end}" for name in ("speedup", "accuracy_change") for end in ("", "_low", "_high")]
    alt = (
        f"Change of accuracy against speed-up with intervals, {len(rows)} methods over all pairs and benchmarks. The "
        f"target alone stands at 1 and 0; the dashed line is the margin of {margin:.0%}."
    )
    return Chart(figure, rows[[*KEYS, "n", "n_alone", *cells]], alt)


def _without_chance(row: pd.Series) -> pd.Series:
    """The row; where no question was lost or won, without the interval, which only tells how many were asked."""
    if row.lost > 0 or row.won > 0:
        return row
    return pd.concat([row.drop(ENDS), pd.Series(row.accuracy_change, index=ENDS)])


def pooled(accuracy: pd.DataFrame, speed: pd.DataFrame, main: Sequence[str]) -> pd.DataFrame:
    """Both tables' rows of `main` methods over all pairs and benchmarks; n is accuracy's, n_alone that of speed."""
    methods = [name for name in main if name != BASELINE]
    rows = accuracy.merge(speed.rename(columns={"n": "n_alone"}), on=KEYS, suffixes=("", "_timed"))
    rows = rows[(rows[["target", "draft", "benchmark"]] == ALL).all(axis=1) & rows.method.isin(methods)]
    return rows.sort_values("method", key=lambda names: names.map(methods.index), ignore_index=True)
