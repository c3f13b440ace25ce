"""Figure of accuracy against the target."""

from collections.abc import Mapping

import matplotlib
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.report.drawing import INK, Chart, main_pairs, pairs_in, panels, plotted_rows, pool_and_pairs
from dreamr.statistics.frame import ALL


def accuracy(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Change of accuracy against the target by benchmark, over all pairs and of each, with the margin."""
    table, margin = main_pairs(tables["accuracy"], job), job.statistics.margin
    if table.empty:
        return None
    rows = _told_apart(pairs_in(table, job.names))
    benchmarks = _all_first(rows.benchmark)
    figure, axes_list = panels(1, len(benchmarks), 1.9, 0.9 + 0.3 * len(job.compared), sharey=True)
    for axes, benchmark in zip(axes_list, benchmarks, strict=True):
        pool_and_pairs(axes, rows[rows.benchmark == benchmark], "accuracy_change", job)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.axvline(-margin, color=INK, linewidth=0.8, linestyle="--")
        axes.set(title="all benchmarks" if benchmark == ALL else job.label(benchmark), xlabel="")
        axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0, symbol=""))
    figure.supxlabel("accuracy minus the target's (points)", fontsize=9, color=INK)
    alt = (
        "Change of accuracy against the target with intervals, over all pairs and of each; the dashed "
        f"line is the margin of {margin:.0%} that counts as non-inferior."
    )
    return Chart(figure, plotted_rows(rows, ["accuracy_change"]), alt)


def _told_apart(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows by benchmark and, of several benchmarks, over all."""
    return rows if rows.benchmark.nunique() > 2 else rows[rows.benchmark != ALL]


def _all_first(names: pd.Series) -> list[str]:
    return sorted(set(names), key=lambda name: (name != ALL, name))
