"""Figure of where the milliseconds of an answer go."""

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dreamr.report.drawing import INK, Chart, panels
from dreamr.report.labels import label

# In the order of the loop, thrown away behind kept.
PARTS = {
    "opening": "prompt and picture",
    "drafting": "drafting",
    "rejected_drafting": "drafts then rejected",
    "verdicts": "waiting for verdicts",
    "own_steps": "target's own steps",
    "rest": "Python",
}
SHADES = ("#999999", "#56b4e9", "#cc79a7", "#e69f00", "#0072b2", "#d55e00")
MARKS = {"path": ("|", "critical path"), "uncrowded": ("d", "that path without crowding")}


def milliseconds(table: pd.DataFrame) -> Chart:
    """Mean milliseconds of an answer by what it waited for, a bar a method; marked, its critical paths."""
    figure, (axes,) = panels(1, 1, 7.2, 0.6 + 0.32 * len(table))
    places = range(len(table))
    left = pd.Series(0.0, index=table.index)
    for name, shade in zip(PARTS, SHADES, strict=True):
        axes.barh(places, 1000 * table[name], left=1000 * left, color=shade, height=0.7)
        left += table[name]
    for name, (mark, _) in MARKS.items():
        axes.plot(1000 * table[name], places, mark, color=INK, markersize=10 if mark == "|" else 5, markeredgewidth=1.2)
    axes.set_yticks(places, [label(method) for method in table.method])
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds of an answer given alone")
    handles: list[Artist] = [
        Patch(color=shade, label=words) for shade, words in zip(SHADES, PARTS.values(), strict=True)
    ]
    handles += [Line2D([], [], linestyle="", marker=mark, color=INK, label=words) for mark, words in MARKS.values()]
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4)
    cells = [f"{name}{end}" for name in ("seconds", *PARTS, *MARKS) for end in ("", "_low", "_high")]
    alt = (
        f"Mean milliseconds of an answer by what it waited for, under {len(table)} methods, with their critical paths."
    )
    return Chart(figure, table[["target", "draft", "method", "benchmark", "n", "clusters", *cells]], alt)
