"""What the replay predicted, against what was measured."""

import numpy as np
import pandas as pd

from dreamr.report.drawing import INK, Chart, legend, panels
from dreamr.report.labels import colour

METHODS = ("lookahead", "dreamr_ns", "dreamr")


def replay(answers: pd.DataFrame, margin: float) -> Chart:
    """Speed-up of every timed answer, measured and predicted; the band is the gate's for the median question."""
    rows = answers[answers.method.isin(METHODS)]
    rows = rows.assign(
        measured=rows.baseline_seconds / rows.seconds,
        predicted=rows.predicted_baseline_seconds / rows.predicted_seconds,
    )
    figure, (axes,) = panels(1, 1, 4.6, 4.0)
    ends = np.array([0.8, 1.25]) * [
        rows[["measured", "predicted"]].min().min(),
        rows[["measured", "predicted"]].max().max(),
    ]
    axes.fill_between(ends, ends * (1 - margin), ends * (1 + margin), color=INK, alpha=0.12, linewidth=0)
    axes.plot(ends, ends, color=INK, linewidth=0.8)
    for method, part in rows.groupby("method"):
        axes.plot(part.measured, part.predicted, "o", markersize=3, alpha=0.7, color=colour(method), markeredgewidth=0)
    ticks = [tick for tick in (0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8) if ends[0] <= tick <= ends[1]]
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    axes.set(xlabel="measured speed-up", ylabel="predicted speed-up")
    legend(figure, METHODS)
    alt = (
        f"Measured against predicted speed-up of {len(rows)} timed answers. On the line both agree; half of the points "
        f"have to lie in the band of {margin:.0%}."
    )
    return Chart(figure, rows[["target", "draft", "method", "benchmark", "question", "measured", "predicted"]], alt)
