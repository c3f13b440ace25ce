"""Figure of accuracy against speed."""

from collections.abc import Iterator, Mapping

import matplotlib
import pandas as pd
from matplotlib.axes import Axes

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import INK, Chart, cross, legend, pairs_in, panels

COLUMNS = 3


def tradeoff(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """The pool over all pairs, and each pair on which more methods ran than on all."""
    words = ["sweep", "settings"]  # columns of numbers where no method has any
    table = tables["tradeoff"].astype(dict.fromkeys(words, object)).fillna(dict.fromkeys(words, ""))
    if table.empty:
        return None
    rows = pairs_in(table, job.names)
    everywhere = {*rows[rows.pair == "all pairs"].method}
    parts = [(pair, part) for pair, part in rows.groupby("pair", sort=False) if shown(str(pair), part, everywhere)]
    figure, axes = panels(-(-len(parts) // COLUMNS), min(COLUMNS, len(parts)), 3.2, 2.8, sharex=True, sharey=True)
    for place, (pair, part) in zip(axes, parts, strict=False):
        draw(place, part, job)
        place.set_title(str(pair))
    for spare in axes[len(parts) :]:
        spare.remove()
    figure.supxlabel("times as fast as the target alone", fontsize=9)
    figure.supylabel("accuracy minus the target's (points)", fontsize=9)
    legend(figure, [name for name in job.display.main if name in {*rows.method}], job, ncols=4)
    data = pd.concat([part for _, part in parts]).drop(columns="pair")
    alt = f"Change of accuracy against speed-up of {data.method.nunique()} methods, of {len(parts)} pairs or pools."
    return Chart(figure, data, alt)


def shown(pair: str, part: pd.DataFrame, everywhere: set[str]) -> bool:
    """Whether a pair tells more than the pool."""
    return pair == "all pairs" or bool({*part.method} - everywhere)


def draw(axes: Axes, rows: pd.DataFrame, job: SummariseJob) -> None:
    """Every method of one pair with its intervals, sweeps as lines with the settings of their ends, and the front."""
    for _, row in rows.iterrows():
        cross(axes, row, "speedup", "accuracy_change", color=colour(row.method, job))
    for line in lines(rows, job):
        axes.plot(line.speedup, line.accuracy_change, color=colour("", job), linewidth=0.6)
        for _, row in pd.concat([line.head(1), line.tail(1)]).drop_duplicates("method").iterrows():
            axes.annotate(row.settings, (row.speedup, row.accuracy_change), fontsize=6, ha="left", va="bottom")
    front = rows[rows.on_front].sort_values("speedup")
    axes.plot(front.speedup, front.accuracy_change, color=INK, linewidth=0.9)
    axes.plot(1, 0, "D", color=INK, markersize=5)
    axes.axhline(0, color=INK, linewidth=0.5)
    axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0, symbol=""))


def lines(rows: pd.DataFrame, job: SummariseJob) -> Iterator[pd.DataFrame]:
    """Rows of a sweep that differ in its first setting alone, in the order of its values."""
    for name, sweep in job.sweeps.items():
        grid = sweep.grid(name)
        swept = rows[rows.method.isin(grid)]
        first = next(iter(sweep.vary))
        others = [str({key: value for key, value in grid[method].items() if key != first}) for method in swept.method]
        for _, part in swept.groupby(others):
            yield part.sort_values("method", key=lambda names: names.map([*grid].index))
