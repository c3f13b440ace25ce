"""Figure of the load experiment."""

from collections.abc import Mapping

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import INK, Chart, legend, panels
from dreamr.statistics.frame import ALL

RATIO = "speedup"  # that of throughputs is one with it but for the end of a block, and stands in the table


def load(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """The speed-up against the questions at once, a line a method on each single pair, with intervals."""
    table = tables["load"][tables["load"].draft != ALL]
    if table.empty:
        return None
    figure, (axes,) = panels(1, 1, 5.2, 2.9)
    for (_, _, method), part in table.sort_values("at_once").groupby(["target", "draft", "method"]):
        axes.plot(part.at_once, part[RATIO], "o-", markersize=4, linewidth=1.1, color=colour(method, job))
        axes.vlines(part.at_once, part[f"{RATIO}_low"], part[f"{RATIO}_high"], color=colour(method, job), linewidth=1.1)
    axes.axhline(1, color=INK, linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.set(
        xticks=sorted(table.at_once.unique()), xlabel="questions at once", ylabel="times as fast as the target alone"
    )
    axes.xaxis.set_major_formatter("{x:g}")
    legend(figure, list(dict.fromkeys(table.method)), job)
    cells = [f"{RATIO}{end}" for end in ("", "_low", "_high")]
    shown = table[["target", "draft", "method", "at_once", "n", "clusters", *cells]]
    return Chart(figure, shown, "Speed-up of each method over the target alone, by the number of questions at once.")
