"""How one question ran: the figure of requests over time."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.patches import Patch

from dreamr.config import NO_DRAFT
from dreamr.planning.jobs import SummariseJob
from dreamr.records import read_rows
from dreamr.report.drawing import INK, Chart, panels
from dreamr.report.labels import COLOURS, MAIN
from dreamr.spans import lanes
from dreamr.statistics.words import label
from dreamr.traces import Trace


def timeline(traces: Iterable[Path], job: SummariseJob) -> Chart | None:
    """How one question ran under each method."""
    timed = [
        row for path in sorted(traces) for row in read_rows(path, Trace) if row.mode == "alone" and row.replicate == 0
    ]
    shown = side_by_side(timed, job.pairs, job.reference)
    return _drawn(shown) if shown else None


def _drawn(traces: Sequence[Trace]) -> Chart:
    """Every step and verdict on its engine, cancelled work pale."""
    kinds = {"draft": COLOURS["dreamr_ns"], "verify": COLOURS["lookahead"], "target": COLOURS["dreamr"]}
    figure, rows = panels(len(traces), 1, 9, 0.95, sharex=True)
    data = []
    for axes, trace in zip(rows, traces, strict=True):
        dealt = [(kind, lane) for kind in kinds for lane in lanes(span for span in trace.spans if span.kind == kind)]
        for number, (kind, lane) in enumerate(dealt):
            for span in lane:
                axes.broken_barh(
                    [(span.start, span.end - span.start)],
                    (number, 0.8),
                    color=kinds[kind],
                    alpha=0.35 if span.cancelled else 0.95,
                    edgecolor=INK,
                    linewidth=0.3,
                )
                data.append({"method": trace.method, "lane": number} | span.model_dump())
        axes.axvline(trace.seconds, color=INK, linewidth=0.8)
        if trace.baseline_seconds is not None:
            axes.axvline(trace.baseline_seconds, color=INK, linewidth=0.8, linestyle=":")
        axes.set(yticks=[], ylabel="")
        axes.set_title(f"{label(trace.method)}: {trace.seconds:.2f} s", loc="left")
        axes.invert_yaxis()
    rows[-1].set_xlabel("seconds")
    handles = [Patch(color=shade, label=kind) for kind, shade in kinds.items()]
    handles.append(Patch(color="#999999", alpha=0.35, label="cancelled"))
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4)
    alt = f"Timeline of question {traces[0].question} of {traces[0].benchmark} under {len(traces)} methods."
    return Chart(figure, pd.DataFrame(data), alt)


def side_by_side(traces: Sequence[Trace], pairs: Sequence[tuple[str, str]], reference: str) -> list[Trace]:
    """One question of the first pair under every method: the first where the reference took and replaced a step."""
    cells = [*pairs[:1], *((target, NO_DRAFT) for target, _ in pairs[:1])]
    rows = [row for row in traces if (row.target, row.draft) in cells and row.method in MAIN and not row.refusal]
    telling = [row for row in rows if row.method == reference and 0 < row.accepted < len(row.steps)]
    first = next(iter(telling or [row for row in rows if row.method == reference]), None)
    if first is None:
        return []
    shown = [row for row in rows if (row.benchmark, row.question) == (first.benchmark, first.question)]
    return sorted(shown, key=lambda row: MAIN.index(row.method))
