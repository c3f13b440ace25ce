"""Figure of acceptance against speed-up."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import INK, Chart, cross, legend, main_pairs, pairs_in, panels, plotted_rows
from dreamr.statistics.closed_forms import asynchronous_lookahead
from dreamr.statistics.frame import ALL, KEYS


def acceptance(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Acceptance against speed-up, with the closed form of asynchronous lookahead for some cost ratios."""
    if "speed" not in tables or main_pairs(tables["speed"], job).empty:
        return None
    accepted, timed = (main_pairs(tables[name], job) for name in ("acceptance", "speed"))
    window = job.methods[job.reference].window or 1
    columns = [name for name in timed if name.startswith("speedup")]
    rows = pairs_in(accepted.merge(timed[KEYS + columns], on=KEYS), job.names)
    rows = rows[(rows.benchmark == ALL) & (rows.pair != "all pairs")]
    figure, (axes,) = panels(1, 1, 5.6, 3.8)
    grid = np.linspace(0, 0.99, 100)
    for cost, line, place in ((0.0, "-", 0.8), (0.1, "--", 0.88), (0.3, ":", 0.96)):
        axes.plot(grid, [asynchronous_lookahead(a, cost, window) for a in grid], line, color=INK, linewidth=0.8)
        at = (place, asynchronous_lookahead(place, cost, window))
        side: dict[str, Any] = {"xytext": (-4, 4), "ha": "right"} if cost == 0 else {"xytext": (4, -4), "va": "top"}
        axes.annotate(f"c = {cost:g}", at, textcoords="offset points", fontsize=8, color=INK, **side)
    for _, row in rows.iterrows():
        cross(axes, row, "acceptance", "speedup", color=colour(row.method, job))
    axes.axhline(1, color=INK, linewidth=0.5)
    axes.set(xlim=(0, 1.08), xlabel="acceptance (accepted / verified steps)", ylabel="speed-up")
    legend(figure, job.compared, job)
    alt = (
        f"Acceptance against speed-up per pair and method. Lines: closed form of asynchronous lookahead with window "
        f"{window}, equal steps, free verdicts and a draft that costs c of the target."
    )
    return Chart(figure, plotted_rows(rows, ["acceptance", "speedup"]), alt)
