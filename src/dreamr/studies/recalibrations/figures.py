"""Figure of the losses of calibrated thresholds on problems that their calibration did not see."""

from collections.abc import Mapping

import matplotlib
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import INK, ROW, Chart, panels


def recalibrations(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """A line for each threshold that was chosen, and a point for each calibration that chose it."""
    rows = tables["recalibrations"]
    if rows.empty:
        return None
    words = ["the target alone" if pd.isna(alpha) else f"alpha {alpha:g}" for alpha in rows.alpha]
    rows = rows.assign(chosen=words).sort_values("alpha", ascending=False, na_position="first", kind="stable")
    lines = [*dict.fromkeys(rows.chosen)]
    figure, (axes,) = panels(1, 1, 5.2, ROW * 2 * (len(lines) + 1))
    at = [lines.index(chosen) for chosen in rows.chosen]
    axes.plot(rows.loss, at, "o", color=colour(job.reference, job), markersize=4, markerfacecolor="none")
    axes.axvline(rows.risk.iloc[0], color=INK, linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(lines)), lines)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=1, symbol=""))
    axes.set_xlabel("loss of accuracy on the other half of the problems (points)")
    alt = f"Loss of accuracy of {len(rows)} calibrated thresholds on problems that their calibration did not see."
    return Chart(figure, rows.drop(columns="chosen"), alt)
