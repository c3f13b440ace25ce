"""Figure of the dose-response: accuracy over the two error rates of a verifier."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from dreamr.planning.jobs import SummariseJob
from dreamr.report.drawing import INK, Chart, panels
from dreamr.statistics.words import pair

ON_COLOUR = "#111111"  # words on the map, in a white box, since a shade may be dark
REAL = "#a13d00"
BOX: dict[str, Any] = {"bbox": {"facecolor": "#ffffff", "edgecolor": "none", "pad": 0.8}}
Pair = tuple[str, str]


def maps(table: pd.DataFrame) -> dict[Pair, pd.DataFrame]:
    """Change of accuracy by pair, false rejects down and false accepts across; only maps that are whole."""
    place = {"index": "set_false_reject", "columns": "set_false_accept", "values": "accuracy_change"}
    nodes = table[table.kind == "set"].groupby(["target", "draft"])
    grids = {(target, draft): part.pivot(**place) for (target, draft), part in nodes}
    return {where: grid for where, grid in grids.items() if min(grid.shape) >= 2 and grid.notna().all(axis=None)}


def dose(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """A map for each pair: the nodes, equally far apart, the margin as a contour, real verifiers at their rates."""
    grids = maps(tables["dose"]) if "dose" in tables else {}
    if not grids:
        return None
    table, margin = tables["dose"], job.statistics.margin
    figure, axes_list = panels(1, len(grids), 5.2, 4.0)
    for axes, ((target, draft), grid) in zip(axes_list, grids.items(), strict=True):
        _draw_map(axes, grid, margin)
        _draw_real(axes, grid, table[(table.target == target) & (table.draft == draft) & table.predicted.notna()], job)
        axes.set_title(pair({"target": target, "draft": draft}, job.names))
    figure.supxlabel("share of wrong steps accepted", fontsize=9, color=INK)
    figure.supylabel("share of right steps rejected", fontsize=9, color=INK)
    estimated = ("false_accept", "false_reject", "accuracy", "accuracy_change", "predicted")
    shown = ["target", "draft", "method", "kind", "set_false_accept", "set_false_reject"]
    shown += [f"{name}{end}" for name in estimated for end in ("", "_low", "_high")]
    alt = (
        "Change of accuracy against the target over the shares of wrong steps accepted and right steps rejected. The "
        f"dashed contour is the margin of {margin:.0%}; the marks are real verifiers at their measured rates."
    )
    return Chart(figure, table[shown], alt)


def _axes(grid: pd.DataFrame) -> dict[str, pd.Index]:
    return {"false_accept": grid.columns, "false_reject": grid.index}


def _even(rates: pd.Index) -> tuple[Sequence[float], range]:
    """The rates of an axis, and where they stand on it."""
    return list(rates), range(len(rates))


def _draw_map(axes: Axes, grid: pd.DataFrame, margin: float) -> None:
    """The map as shades between its nodes, whose values are written there."""
    (columns, across), (rows, up) = _even(grid.columns), _even(grid.index)
    axes.contourf(across, up, grid, levels=8, cmap=sns.light_palette("#0072b2", as_cmap=True))
    if grid.min(axis=None) < -margin < grid.max(axis=None):
        axes.contour(across, up, grid, levels=[-margin], colors=[ON_COLOUR], linestyles="--")
    for place in product(across, up):
        words, right, top = _points(grid.iloc[place[1], place[0]]), place[0] == across[-1], place[1] == up[-1]
        sides: dict[str, Any] = {"ha": "right" if right else "left", "va": "top" if top else "bottom"}
        shift = (-3 if right else 3, -3 if top else 3)
        axes.annotate(words, place, shift, textcoords="offset points", fontsize=8, color=ON_COLOUR, **BOX, **sides)
    axes.set_xticks(across, [f"{rate:g}" for rate in columns])
    axes.set_yticks(up, [f"{rate:g}" for rate in rows])


def _draw_real(axes: Axes, grid: pd.DataFrame, real: pd.DataFrame, job: SummariseJob) -> None:
    """Real verifiers that lie on the map, with their changes of accuracy."""
    across, up = (np.interp(real[name], *_even(rates)) for name, rates in _axes(grid).items())
    for place, (_, row) in zip(zip(across, up, strict=True), real.iterrows(), strict=True):
        axes.plot(*place, "o", color=REAL, markersize=5)
        words = f"{job.label(row.method)} {_points(row.accuracy_change)}"
        axes.annotate(words, place, xytext=(7, -3), textcoords="offset points", fontsize=8, color=REAL, **BOX)


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")
