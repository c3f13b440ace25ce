"""Figure of the margin: both answers of each method."""

from collections.abc import Mapping

import matplotlib
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import INK, ROW, Chart, interval, name_lines, panels, plotted_rows, single_marks
from dreamr.statistics.frame import ALL

TITLES = {"change_these": "with these drafts", "change_such": "with drafts like these"}


def margin(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """The change of accuracy over all pairs with the interval of each question, and the margin."""
    table = tables["margin"]
    pooled = table[table.target == ALL]
    if pooled.empty:
        return None
    methods = list(pooled.method)
    figure, axes_list = panels(1, len(TITLES), 3.0, 1.0 + 1.4 * ROW * len(methods), sharex=True, sharey=True)
    for axes, (name, title) in zip(axes_list, TITLES.items(), strict=True):
        for at, (_, row) in enumerate(pooled.iterrows()):
            if name == "change_these" or pd.notna(row[f"{name}_low"]):
                interval(axes, row, name, at, color=colour(row.method, job))
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.axvline(-job.statistics.margin, color=INK, linewidth=0.8, linestyle="--")
        axes.set_title(title)
        axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0, symbol=""))
    for at, method in enumerate(methods if len(job.pairs) > 1 else ()):
        single_marks(axes_list[0], table[(table.target != ALL) & (table.method == method)].change_these, at)
    name_lines(axes_list[0], [job.label(method) for method in methods])
    figure.supxlabel("accuracy minus the target's (points)", fontsize=9, color=INK)
    alt = (
        f"Change of accuracy of {len(methods)} methods over all pairs, with intervals for these drafts and for drafts "
        f"like these; the dashed line is the margin of {job.statistics.margin:.0%}."
    )
    return Chart(figure, plotted_rows(pooled, [*TITLES], ["kept_these", "kept_such"]), alt)
