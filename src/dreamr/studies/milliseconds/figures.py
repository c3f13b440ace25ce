"""Figure of where the milliseconds of an answer go."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dreamr.report.drawing import INK, Chart, panels
from dreamr.statistics.frame import ALL
from dreamr.statistics.words import LABELS, label

# In the order of the loop, what was thrown away behind what was kept.
PARTS = {
    "opening": ("prompt and picture", "#999999"),
    "drafting": ("drafting", "#56b4e9"),
    "rejected_drafting": ("drafts then rejected", "#cc79a7"),
    "verdicts": ("verdicts", "#e69f00"),
    "own_steps": ("target's own steps", "#0072b2"),
    "rest": ("Python", "#d55e00"),
}
ON_PATH = ("drafting", "verdicts", "own_steps")


def milliseconds(tables: Mapping[str, pd.DataFrame]) -> Chart | None:
    """Two bars a method: mean milliseconds of an answer by what it waited for, and of its critical path."""
    table = main_methods(tables["milliseconds"])
    if table.empty:
        return None
    figure, (axes,) = panels(1, 1, 7.2, 0.6 + 0.42 * len(table))
    waited = {name: 1000 * table[name] for name in PARTS}
    path = {name: 1000 * table.path * table[f"path_{name}"] for name in ON_PATH}
    for bars, at, height in ((waited, -0.12, 0.5), (path, 0.28, 0.2)):
        left = pd.Series(0.0, index=table.index)
        for name, lengths in bars.items():
            axes.barh(table.index + at, lengths, left=left, color=PARTS[name][1], height=height)
            left += lengths
    axes.plot(1000 * table.uncrowded, table.index + 0.28, "d", color=INK, markersize=5)
    axes.set_yticks(table.index, [label(method) for method in table.method])
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds of an answer given alone; thin: of its critical path")
    handles: list[Artist] = [Patch(color=shade, label=words) for words, shade in PARTS.values()]
    handles.append(Line2D([], [], linestyle="", marker="d", color=INK, label="critical path without crowding"))
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4)
    names = ("seconds", *PARTS, "path", *(f"path_{name}" for name in ON_PATH), "uncrowded")
    cells = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    alt = (
        f"Mean milliseconds of an answer by what it waited for, under {len(table)} methods, with their critical paths."
    )
    return Chart(figure, table[["target", "draft", "method", "benchmark", "n", "clusters", *cells]], alt)


def main_methods(waited: pd.DataFrame) -> pd.DataFrame:
    """Rows of the methods that have a name for people, over all pairs and benchmarks, in the order of their names."""
    whole = waited[(waited[["target", "draft", "benchmark"]] == ALL).all(axis=1) & waited.method.isin(LABELS)]
    return whole.sort_values("method", key=lambda names: names.map(list(LABELS).index)).reset_index(drop=True)
