"""Figure of all contrasts."""

from collections.abc import Mapping

import matplotlib
import pandas as pd

from dreamr.report.drawing import INK, ROW, Chart, interval, panels, plotted_rows
from dreamr.report.labels import colour
from dreamr.statistics.frame import ALL
from dreamr.statistics.words import label


def contrasts(tables: Mapping[str, pd.DataFrame]) -> Chart | None:
    """Forest plot of all contrasts over all benchmarks: of the pool, or of the single pair that they were run on."""
    table = tables["contrasts"]
    if table.empty:
        return None
    points = dict.fromkeys(("accuracy_change", "acceptance_change"), "points")
    quantities = points | dict.fromkeys(("tokens_ratio", "speed_ratio"), "ratio")
    rows = _wherever_run(table[table.benchmark == ALL])
    lines = list(dict.fromkeys(rows.line))
    figure, axes_list = panels(1, len(quantities), 2.1, 0.9 + ROW * len(lines), sharey=True)
    for axes, (name, unit) in zip(axes_list, quantities.items(), strict=True):
        for _, row in rows[rows[name].notna()].iterrows():
            interval(axes, row, name, lines.index(row.line), color=colour(row.method))
        axes.axvline(0 if name in points else 1, color=INK, linewidth=0.8)
        axes.set_title(f"{name.partition('_')[0]}, {unit}")
        if name in points:
            axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0, symbol=""))
    axes_list[0].set_yticks(range(len(lines)), lines)
    axes_list[0].invert_yaxis()
    alt = f"{len(lines)} contrasts between two methods with intervals, by what differs between them."
    return Chart(figure, plotted_rows(rows, list(quantities), ["differs", "other", "over"]), alt)


def _wherever_run(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each contrast the row of the pool, else those of its pairs; `line` names it."""
    lines = rows.differs + ": " + rows.method.map(label) + " − " + rows.other.map(label)
    pooled = (rows.target == ALL).groupby(lines).transform("any")
    return rows.assign(line=lines)[~pooled | (rows.target == ALL)]
