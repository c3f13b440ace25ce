"""Figure of all ablations."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from dreamr.report.drawing import Chart, interval, plotted_rows
from dreamr.report.labels import colour
from dreamr.statistics.frame import ALL


def ablation(tables: Mapping[str, pd.DataFrame]) -> Chart | None:
    """Each ablation: accuracy, acceptance, speed-up and tokens of its settings."""
    table = tables["ablation"]
    if table.empty:
        return None
    names = ("accuracy", "acceptance", "speedup", "tokens")
    rows = table[(table.benchmark == ALL) & (table.target != ALL) & (table.draft != ALL)]
    kinds = list(dict.fromkeys(rows.kind))
    heights = [rows[rows.kind == kind].setting.nunique() + 1.2 for kind in kinds]
    figure = Figure(figsize=(9, 0.3 * sum(heights) + 0.5), layout="constrained")
    grid = figure.subplots(len(kinds), len(names), sharex="col", squeeze=False, height_ratios=heights)
    for line, kind in zip(grid, kinds, strict=True):
        part = rows[rows.kind == kind].sort_values("setting")
        settings = list(dict.fromkeys(part.setting))
        for axes, name in zip(line, names, strict=True):
            for _, row in part.iterrows():
                interval(axes, row, name, settings.index(row.setting), color=colour(row.method))
            axes.set_yticks(range(len(settings)), settings if name == names[0] else [""] * len(settings))
            axes.set(ylim=(len(settings) - 0.4, -0.6), title=f"{kind}: {name}")
    return Chart(
        figure, plotted_rows(rows, list(names), ["kind", "setting"]), f"Ablations of {', '.join(kinds)} with intervals."
    )
