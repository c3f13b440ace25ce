"""Figure of the load experiment."""

from collections.abc import Mapping

import pandas as pd

from dreamr.report.drawing import INK, Chart, legend, panels
from dreamr.report.labels import colour
from dreamr.statistics.frame import ALL

RATIOS = {"speedup": "speed-up (mean latency)", "throughput_ratio": "throughput over the target's"}


def load(tables: Mapping[str, pd.DataFrame]) -> Chart | None:
    """Both ratios against the questions at once, a line a method on each single pair, with intervals."""
    table = tables["load"][tables["load"].draft != ALL]
    if table.empty:
        return None
    figure, axes_list = panels(1, len(RATIOS), 3.6, 2.9, sharey=True)
    for axes, (name, words) in zip(axes_list, RATIOS.items(), strict=True):
        for (_, _, method), part in table.sort_values("at_once").groupby(["target", "draft", "method"]):
            axes.plot(part.at_once, part[name], "o-", markersize=4, linewidth=1.1, color=colour(method))
            axes.vlines(part.at_once, part[f"{name}_low"], part[f"{name}_high"], color=colour(method), linewidth=1.1)
        axes.axhline(1, color=INK, linewidth=0.8)
        axes.set_xscale("log", base=2)
        axes.set(xticks=sorted(table.at_once.unique()), title=words)
        axes.xaxis.set_major_formatter("{x:g}")
    figure.supxlabel("questions at once", fontsize=9, color=INK)
    legend(figure, list(dict.fromkeys(table.method)))
    shown = table[["target", "draft", "method", "at_once", "n", "clusters", *_cells()]]
    alt = "Latency and throughput of each method over those of the target alone, by the number of questions at once."
    return Chart(figure, shown, alt)


def _cells() -> list[str]:
    return [f"{name}{end}" for name in RATIOS for end in ("", "_low", "_high")]
