"""What all figures share: style, intervals, panels, and the SVG that the page takes in.

SVG files are deterministic, keep words as text, and take the page's colour, so that they can be read in the dark.
"""

import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dreamr.config import NO_DRAFT
from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import colour
from dreamr.statistics.frame import ALL
from dreamr.statistics.words import pair

INK = "#222222"  # replaced by the page's text colour
SALT = "dreamr"
GREY = "#9a9a9a"  # legible on white and on black
ROW = 0.22  # inches per line of a chart


@dataclass(frozen=True)
class Chart:
    """A figure, the numbers in it, and what it shows in words."""

    figure: Figure
    data: pd.DataFrame
    alt: str

    def _repr_svg_(self) -> str:
        """What notebooks show."""
        return svg(self, "chart")


def style() -> None:
    """Settings of all figures: quiet axes, words as text, the same bytes every time."""
    settings: dict[str, Any] = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    )
    settings |= dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), 9)
    settings |= dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False)
    settings |= {"svg.fonttype": "none", "svg.hashsalt": SALT}
    sns.set_theme(context="paper", style="ticks", palette="colorblind", rc=settings)


def svg(chart: Chart, name: str) -> str:
    """The figure as an SVG element with a label, ids of its own and the page's text colour."""
    text = io.StringIO()
    chart.figure.savefig(text, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    body = text.getvalue()
    body = _short(_numbered(body[body.index("<svg") :].replace(INK, "currentColor")))
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    return body.replace("<svg ", f'<svg role="img" aria-labelledby="{name}-title" ', 1).replace(
        ">", f'><title id="{name}-title">{_escaped(chart.alt)}</title>', 1
    )


def _numbered(body: str) -> str:
    """Ids in their order in the place of hashes: matplotlib's change with the last bit of a place in the layout."""
    hashed = dict.fromkeys(re.findall(r'\bid="([A-Za-z]+[0-9a-f]{10})"', body))
    numbers = {name: f"{name[:-10]}{number}" for number, name in enumerate(hashed, 1)}
    return re.sub(r'(id="|#)([A-Za-z]+[0-9a-f]{10})\b', lambda use: use[1] + numbers[use[2]], body)


def _short(body: str) -> str:
    """Without metadata, fonts of each word and ids that nothing uses; places to a tenth of a point: half as long."""
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<defs>\s*<style.*?</defs>", "", body, flags=re.DOTALL)
    used = {*re.findall(r"(?:href=\"#|url\(#)([\w-]+)", body)}
    body = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", body)
    body = re.sub(r'\b(?:d|x|y|transform|points)="[^"]*"', lambda place: _rounded(place[0]), body)
    body = re.sub(r" font-family: [^;\"]*;| transform=\"rotate\(-0 [^\"]*\"", "", body)
    return re.sub(r"\s+", " ", body).replace("<svg ", '<svg font-family="sans-serif" ', 1)


def _rounded(places: str) -> str:
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), places)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def interval(axes: Axes, row: pd.Series, name: str, at: float, color: str) -> None:
    """A point with its interval at height `at`; without an interval the point is hollow."""
    known = pd.notna(row[f"{name}_low"])
    if known:
        axes.hlines(at, row[f"{name}_low"], row[f"{name}_high"], color=color, linewidth=1.3)
    axes.plot([row[name]], [at], "o", color=color, markersize=4, markerfacecolor=color if known else "none")


def pool_and_pairs(axes: Axes, rows: pd.DataFrame, name: str, job: SummariseJob) -> None:
    """A line for each compared method: its row of the pool with the interval, and an upright mark for each pair."""
    methods = [method for method in job.compared[::-1] if method in set(rows.method)]
    for _, row in rows.iterrows():
        at = methods.index(row.method)
        if row.target == ALL or rows.pair.nunique() == 1:
            interval(axes, row, name, at, color=colour(row.method, job))
        else:
            single_marks(axes, [row[name]], at)
    name_lines(axes, [job.label(method) for method in methods])


def single_marks(axes: Axes, values: Iterable[float], at: int) -> None:
    """An upright mark for each single pair or training, a little below the line of all."""
    axes.plot(xs := [*values], [at + 0.28] * len(xs), "|", color=GREY, markersize=5)


def name_lines(axes: Axes, words: Collection[str]) -> None:
    """Names of the lines, from the top."""
    axes.set_yticks(range(len(words)), words)
    axes.set_ylim(len(words) - 0.4, -0.6)


def cross(axes: Axes, row: pd.Series, across: str, up: str, color: str) -> None:
    """A point with both of its intervals; a hollow one lacks one."""
    known = pd.notna(row[[f"{across}_low", f"{up}_low"]]).all()
    axes.hlines(row[up], row[f"{across}_low"], row[f"{across}_high"], color=color, linewidth=1.1)
    axes.vlines(row[across], row[f"{up}_low"], row[f"{up}_high"], color=color, linewidth=1.1)
    axes.plot(row[across], row[up], "o", markersize=4.5, color=color, markerfacecolor=color if known else "none")


def panels(rows: int, columns: int, width: float, height: float, **settings: Any) -> tuple[Figure, list[Axes]]:
    """A figure and its axes, row by row; `width` and `height` of one of them in inches."""
    figure = Figure(figsize=(width * columns + 1.2, height * rows + 0.3), layout="constrained")
    axes: Any = figure.subplots(rows, columns, squeeze=False, **settings)
    return figure, list(axes.flat)


def legend(
    figure: Figure, methods: Sequence[str], job: SummariseJob, others: Sequence[Line2D] = (), ncols: int | None = None
) -> None:
    """The methods' colours behind `others`, below the panels; all in one line, or in so many columns."""
    handles = [*others]
    handles += [
        Line2D([], [], marker="o", linestyle="", color=colour(name, job), label=job.label(name)) for name in methods
    ]
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=ncols or len(handles))


def plotted_rows(rows: pd.DataFrame, names: list[str], first: Sequence[str] = ()) -> pd.DataFrame:
    """The numbers that a figure shows."""
    cells = [cell for name in names for cell in (name, f"{name}_low", f"{name}_high")]
    return rows[[*first, "target", "draft", "method", "benchmark", "n", "clusters", *cells]]


def main_pairs(table: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Rows of the main experiment's pairs and of their pool, without controls."""
    wanted = {*job.pairs, (ALL, ALL)}
    here = [cell in wanted for cell in zip(table.target, table.draft, strict=True)]
    return table[pd.Series(here, index=table.index, dtype=bool) & table.method.isin(job.compared)]


def pairs_in(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Rows of single pairs and, of several, of the pool over all of them, the pool last.

    Adds column `pair`, by the `names` of models for people.
    """
    single = (table.target != ALL) & ~table.draft.isin([ALL, NO_DRAFT])
    several = len(table.loc[single, ["target", "draft"]].drop_duplicates()) > 1
    whole = (table.target == ALL) & (table.draft == ALL) & several
    rows = table.assign(order=whole)[single | whole]
    rows = rows.sort_values(["order", "target", "draft"], kind="stable").drop(columns="order")
    return rows.assign(pair=[pair(row, names) for row in rows.to_dict("records")])
