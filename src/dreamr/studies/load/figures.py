"""Figure of the load experiment."""

from collections.abc import Mapping

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import INK, Chart, legend, panels
from dreamr.statistics.frame import ALL

GAINS = {
    "speedup": "times as fast as the target alone",
    "throughput_per_held_device": "answers per held device, times the target's",
}


def load(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """What is left against the questions at once, a line a method on each single pair: latency, and per held device."""
    table = tables["load"][tables["load"].draft != ALL]
    if table.empty:
        return None
    figure, axes_list = panels(1, len(GAINS), 3.4, 2.9)
    for axes, (name, words) in zip(axes_list, GAINS.items(), strict=True):
        for (_, _, method), part in table.sort_values("at_once").groupby(["target", "draft", "method"]):
            axes.plot(part.at_once, part[name], "o-", markersize=4, linewidth=1.1, color=colour(method, job))
            ends = part[f"{name}_low"], part[f"{name}_high"]
            axes.vlines(part.at_once, *ends, color=colour(method, job), linewidth=1.1)
        axes.axhline(1, color=INK, linewidth=0.8)
        axes.set_xscale("log", base=2)
        axes.set(xticks=sorted(table.at_once.unique()), xlabel="questions at once", ylabel=words)
        axes.xaxis.set_major_formatter("{x:g}")
    legend(figure, list(dict.fromkeys(table.method)), job)
    cells = [f"{name}{end}" for name in GAINS for end in ("", "_low", "_high")]
    shown = table[["target", "draft", "method", "at_once", "n", "clusters", *cells]]
    alt = "Speed-up of each method, and its answers per held device, over the target alone, by questions at once."
    return Chart(figure, shown, alt)
