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


def projection(table: pd.DataFrame, reference: str) -> Chart:
    """Projected speed-up of the reference against the draft's cost, a line a verdict's cost, a panel an overhead."""
    rows = table[table.method == reference].sort_values("c")
    overheads, verdicts = sorted(set(rows.overhead)), sorted(set(rows.v))
    figure, axes_list = panels(1, len(overheads), 2.7, 2.8, sharey=True)
    for axes, overhead in zip(axes_list, overheads, strict=True):
        part = rows[rows.overhead == overhead]
        for verdict, line in zip(verdicts, ("-", "--", ":", "-."), strict=False):
            one = part[part.v == verdict]
            axes.plot(one.c, one.projected, line, color=colour(reference), linewidth=1.2, label=f"verdict {verdict:g}")
            axes.fill_between(one.c, one.projected_low, one.projected_high, color=colour(reference), alpha=0.1)
        for machine, c in part.dropna(subset=["machine"])[["machine", "c"]].drop_duplicates().itertuples(index=False):
            axes.axvline(c, color=INK, linewidth=0.6, linestyle=":")
            axes.annotate(machine, (c, 1.0), rotation=90, fontsize=6, xytext=(2, 4), textcoords="offset points")
        axes.axhline(1, color=INK, linewidth=0.6)
        axes.set(xscale="log", xlabel="draft's token / target's token", title=f"a request: {overhead:g} tokens")
        axes.xaxis.set_ticks([0.05, 0.1, 0.2, 0.4], ["0.05", "0.1", "0.2", "0.4"])
        axes.minorticks_off()
    axes_list[0].set_ylabel("projected speed-up")
    axes_list[0].legend(fontsize=7)
    alt = (
        "Projected, not measured: speed-up against the cost of the draft's token, for verdicts of "
        f"{', '.join(f'{verdict:g}' for verdict in verdicts)} tokens of the target."
    )
    return Chart(figure, rows, alt)
