"""Figure of all contrasts."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import INK, ROW, Chart, interval, name_lines, panels, plotted_rows, single_marks
from dreamr.statistics.frame import ALL
from dreamr.statistics.words import pair

POINTS = ("accuracy_change", "acceptance_change")
RATIOS = ("tokens_ratio", "speed_ratio")
WORDS = {
    "accuracy_change": "accuracy, points",
    "acceptance_change": "acceptance, points",
    "tokens_ratio": "length, ratio",
    "speed_ratio": "speed, ratio",
}
FEW = ("accuracy_change", "speed_ratio")


def contrasts(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Those between main methods, and of the reference with the same method and a plain draft: accuracy and speed."""
    table = tables["contrasts"]
    training = (table.differs == "training") & (table.method == job.reference)
    return _forest(table[(table.differs == "headline") | training], FEW, 3.0, job)


def contrasts_all(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """All contrasts, by what differs."""
    return _forest(tables["contrasts"], POINTS + RATIOS, 2.1, job)


def trainings(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Recipes with several trainings on one pair: each training by itself, and the mean with its interval."""
    several = tables["recipes"]
    if several.empty:
        return None
    keys = ["differs", "method", "other", "target", "draft"]
    rows = several[keys].merge(tables["contrasts"][tables["contrasts"].benchmark == ALL], on=keys)
    rows = rows.assign(line=[_named(row, job) for row in rows.to_dict("records")])
    few = [name for name in FEW if rows[name].notna().any()]
    figure, axes_list = panels(1, len(few), 3.0, 0.9 + ROW * len(rows), sharey=True)
    for axes, name in zip(axes_list, few, strict=True):
        for at, (_, row) in enumerate(rows.iterrows()):
            interval(axes, row, name, at, color=colour(row.method, job))
            each = tables["trainings"].merge(row[keys].to_frame().T, on=keys).sort_values("replicate")
            single_marks(axes, each[name], at)
            axes.plot(each[name][:1], [at + 0.28], "|", color=INK, markersize=7, markeredgewidth=1.8)
        axes.axvline(1 if name in RATIOS else 0, color=INK, linewidth=0.8)
        axes.set_title(WORDS[name])
    axes_list[0].xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0, symbol=""))
    name_lines(axes_list[0], rows.line)
    alt = f"{len(rows)} contrasts between recipes: each training by itself, and the mean over trainings with intervals."
    return Chart(figure, plotted_rows(rows, few, ["differs", "other", "trainings"]), alt)


def _named(row: Mapping[str, Any], job: SummariseJob) -> str:
    """What is held to what, and on which pair."""
    return f"{job.label(row['method'])} against {job.label(row['other'])}\n{pair(row, job.names)}"


def _forest(table: pd.DataFrame, quantities: Sequence[str], width: float, job: SummariseJob) -> Chart | None:
    """Contrasts over all benchmarks, of the pool or of the single pair that they were run on; the fastest first."""
    if table.empty:
        return None
    rows = _wherever_run(table[table.benchmark == ALL], job)
    rows = rows.sort_values(["differs", "speed_ratio"], ascending=[True, False])
    lines, quantities = list(dict.fromkeys(rows.line)), [name for name in quantities if _told(rows, name).any()]
    figure, axes_list = panels(1, len(quantities), width, 0.9 + ROW * len(lines), sharey=True)
    for axes, name in zip(axes_list, quantities, strict=True):
        for _, row in rows[_told(rows, name)].iterrows():
            interval(axes, row, name, lines.index(row.line), color=colour(row.method, job))
        axes.axvline(1 if name in RATIOS else 0, color=INK, linewidth=0.8)
        axes.set_title(WORDS[name])
        if name in POINTS:
            axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0, symbol=""))
    name_lines(axes_list[0], lines)
    alt = f"{len(lines)} contrasts between two methods with intervals, by what differs between them."
    return Chart(figure, plotted_rows(rows, quantities, ["differs", "other", "over"]), alt)


def _told(rows: pd.DataFrame, name: str) -> pd.Series:
    """Rows with something to tell: two schedules write the same text, so that nothing but their speed can differ."""
    return rows[name].notna() & ((rows.differs != "schedule") | (name == "speed_ratio"))


def _wherever_run(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Of each contrast the row of the pool, else those of its pairs; `line` names it."""
    lines = rows.method.map(job.label) + " against " + rows.other.map(job.label)
    if rows.differs.nunique() > 2:
        lines = rows.differs.map(job.label) + ": " + lines
    pooled = (rows.target == ALL).groupby(lines).transform("any")
    return rows.assign(line=lines)[~pooled | (rows.target == ALL)]
