"""Figures of the ablations, one for each kind."""

from collections.abc import Mapping
from functools import partial

import matplotlib
import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.report.drawing import Chart, interval, pairs_in, panels, plotted_rows
from dreamr.statistics.frame import ALL
from dreamr.statistics.words import value_of

QUANTITIES = {
    "accuracy": "accuracy %",
    "acceptance": "accepted / verified %",
    "speedup": "speed-up",
    "tokens": "tokens / answer",
}
# What a schedule and a window change: the text is the same, and so are accuracy, acceptance and tokens.
SINGLE = "single pairs"  # of what was measured on some pairs, beside what was on all
OF_TIME = {"speedup": QUANTITIES["speedup"]}


def drawn(kind: str, tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """The settings of one ablation, a line each: over all pairs where it ran on all of them, else a pair by itself."""
    table = tables["ablation"]
    rows = pairs_in(table[(table.kind == kind) & (table.benchmark == ALL)], job.names)
    if rows.empty:
        return None
    pooled = (rows.target == ALL).groupby(rows.method).transform("any")
    apart = rows.setting.map("{}, one pair".format)
    named = rows.setting.where(pooled | ~pooled.any(), apart)
    rows = rows.assign(setting=named)
    names = OF_TIME if kind in ("schedule", "window") else QUANTITIES
    settings = sorted(set(rows.setting), key=value_of)
    figure, axes_list = panels(1, len(names), 4.5 if len(names) == 1 else 2.1, 0.7 + 0.3 * len(settings), sharey=True)
    shown_in = {name: _pool_or_pairs(rows, name) for name in names}
    for axes, (name, words) in zip(axes_list, names.items(), strict=True):
        shown = shown_in[name]
        for _, row in shown.iterrows():
            interval(axes, row, name, settings.index(row.setting), color=colour(row.method, job))
        apart = pooled.any() and (shown.target != ALL).all()
        axes.set(xlabel=f"{words} ({SINGLE})" if apart else words, ylim=(len(settings) - 0.4, -0.6))
        if "%" in words:
            axes.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, symbol=""))
    axes_list[0].set_yticks(range(len(settings)), settings)
    alt = f"Ablation of {kind}: {', '.join(map(str, settings))}, with intervals."
    drawn_rows = rows[rows.index.isin(pd.concat(shown_in.values()).index)]
    return Chart(figure, plotted_rows(drawn_rows, [*names], ["kind", "setting"]), alt)


def _pool_or_pairs(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Of each method the row over all pairs where it has this quantity, else its pairs: some are timed on one alone."""
    known = rows[rows[name].notna()]
    pooled = known[known.target == ALL]
    return pd.concat([pooled, known[~known.method.isin(pooled.method)]])


ablation_schedule = partial(drawn, "schedule")
ablation_window = partial(drawn, "window")
ablation_alpha = partial(drawn, "alpha")
ablation_verifier = partial(drawn, "verifier")
ablation_rewards = partial(drawn, "rewards")
