"""Figure of what SAPO's gain in acceptance is made of."""

from collections.abc import Mapping

import matplotlib
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import (
    INK,
    ROW,
    Chart,
    interval,
    main_pairs,
    name_lines,
    pairs_in,
    panels,
    plotted_rows,
    single_marks,
)
from dreamr.statistics.frame import ALL

LINES = {
    "change": "change of acceptance",
    "correctness": "more right steps",
    "composition": "other kinds of steps",
    "right_steps": "right steps of a kind pass",
    "wrong_steps": "wrong steps of a kind pass",
}


def gaming(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """The change of acceptance and its four addends: of all pairs, or of the only one, with intervals; of each pair.

    None without either: no pair speaks for the others.
    """
    rows = pairs_in(main_pairs(tables["gaming"], job), job.names) if "gaming" in tables else pd.DataFrame()
    alone = len(rows) == 1
    if not alone and (rows.empty or ALL not in {*rows.target}):
        return None
    figure, (axes,) = panels(1, 1, 4.2, 0.9 + 1.6 * ROW * len(LINES))
    for at, name in enumerate(LINES):
        for _, row in rows.iterrows():
            if alone or row.target == ALL:
                interval(axes, row, name, at, color=colour(row.method, job))
            else:
                single_marks(axes, [row[name]], at)
    axes.axvline(0, color=INK, linewidth=0.8)
    name_lines(axes, LINES.values())
    axes.set_xlabel("acceptance with SAPO minus that without, points")
    axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, symbol=""))
    alt = "What SAPO changes of the share of accepted steps, and the four addends that sum to it, with intervals."
    return Chart(figure, plotted_rows(rows, [*LINES]), alt)
