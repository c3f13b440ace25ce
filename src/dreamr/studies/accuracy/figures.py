"""Figure of accuracy against the target."""

from collections.abc import Mapping

import matplotlib
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.report.drawing import INK, ROW, Chart, interval, legend, main_pairs, pairs_in, panels, plotted_rows
from dreamr.report.labels import COMPARED, colour
from dreamr.statistics.frame import ALL


def accuracy(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Forest plot: change of accuracy against the target, per pair and benchmark, with the margin."""
    table, margin = main_pairs(tables["accuracy"], job), job.statistics.margin
    if table.empty:
        return None
    rows = _told_apart(pairs_in(table))
    pairs, benchmarks = list(dict.fromkeys(rows.pair)), _all_last(rows.benchmark)
    figure, axes_list = panels(1, len(benchmarks), 2.1, 0.9 + ROW * len(COMPARED) * len(pairs) * 0.85, sharey=True)
    for axes, benchmark in zip(axes_list, benchmarks, strict=True):
        part = rows[rows.benchmark == benchmark]
        for _, row in part.iterrows():
            at = pairs.index(row.pair) + (COMPARED.index(row.method) - (len(COMPARED) - 1) / 2) * 0.18
            interval(axes, row, "accuracy_change", at, color=colour(row.method))
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.axvline(-margin, color=INK, linewidth=0.8, linestyle="--")
        axes.set(title="all benchmarks" if benchmark == ALL else benchmark, xlabel="")
        axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0, symbol=""))
    axes_list[0].set_yticks(range(len(pairs)), pairs)
    axes_list[0].invert_yaxis()
    figure.supxlabel("accuracy minus the target's (points)", fontsize=9, color=INK)
    legend(figure, COMPARED)
    alt = (
        f"Change of accuracy against the target with intervals, for {', '.join(pairs)}; the dashed "
        f"line is the margin of {margin:.0%} that counts as not inferior."
    )
    return Chart(figure, plotted_rows(rows, ["accuracy_change"]), alt)


def _told_apart(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows by benchmark and, of several benchmarks, over all."""
    return rows if rows.benchmark.nunique() > 2 else rows[rows.benchmark != ALL]


def _all_last(names: pd.Series) -> list[str]:
    return sorted(set(names), key=lambda name: (name == ALL, name))
