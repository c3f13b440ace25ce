"""Figure of where the milliseconds of an answer go."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dreamr.config import Display
from dreamr.planning.jobs import SummariseJob
from dreamr.report.colours import ACTIVITIES
from dreamr.report.drawing import INK, Chart, panels
from dreamr.statistics.frame import ALL

# In the order of the loop, what was thrown away behind what was kept.
PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "opening": ("prompt and picture", {"facecolor": "none", "hatch": "|||||"}),
    "drafting": ("drafting", {"facecolor": ACTIVITIES["draft"]}),
    "rejected_drafting": (
        "drafts then rejected",
        {"facecolor": "none", "edgecolor": ACTIVITIES["draft"], "hatch": "////"},
    ),
    "verdicts": ("verdicts", {"facecolor": ACTIVITIES["verify"]}),
    "own_steps": ("target's own steps", {"facecolor": ACTIVITIES["target"]}),
    "rest": ("Python", {"facecolor": "none"}),
}
OUTLINE: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.4}
ON_PATH = ("drafting", "verdicts", "own_steps")


def milliseconds(tables: Mapping[str, pd.DataFrame], job: SummariseJob) -> Chart | None:
    """Two bars a method: mean milliseconds of an answer by what it waited for, and of its critical path."""
    table = named_methods(tables["milliseconds"], job.display)
    if table.empty:
        return None
    figure, (axes,) = panels(1, 1, 7.2, 0.6 + 0.42 * len(table))
    waited = {name: 1000 * table[name] for name in PARTS}
    path = {name: 1000 * table.path * table[f"path_{name}"] for name in ON_PATH}
    for bars, at, height in ((waited, -0.12, 0.5), (path, 0.28, 0.2)):
        left = pd.Series(0.0, index=table.index)
        for name, lengths in bars.items():
            axes.barh(table.index + at, lengths, left=left, height=height, **OUTLINE | PARTS[name][1])
            left += lengths
    axes.plot(1000 * table.uncrowded, table.index + 0.28, "d", color=INK, markersize=5)
    axes.set_yticks(table.index, [job.label(method) for method in table.method])
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds of an answer given alone; thin: of its critical path")
    handles: list[Artist] = [Patch(label=words, **OUTLINE | look) for words, look in PARTS.values()]
    handles.append(Line2D([], [], linestyle="", marker="d", color=INK, label="critical path without crowding"))
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4)
    names = ("seconds", *PARTS, "path", *(f"path_{name}" for name in ON_PATH), "uncrowded")
    cells = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    alt = (
        f"Mean milliseconds of an answer by what it waited for, under {len(table)} methods, with their critical paths."
    )
    return Chart(figure, table[["target", "draft", "method", "benchmark", "n", "clusters", *cells]], alt)


def named_methods(waited: pd.DataFrame, display: Display) -> pd.DataFrame:
    """Rows of methods with a label, and of main ones without, over all pairs and benchmarks, in that order."""
    order = list(dict.fromkeys((*display.labels, *display.main)))
    whole = waited[(waited[["target", "draft", "benchmark"]] == ALL).all(axis=1) & waited.method.isin(order)]
    return whole.sort_values("method", key=lambda names: names.map(order.index)).reset_index(drop=True)
