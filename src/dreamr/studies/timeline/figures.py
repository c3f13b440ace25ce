"""How one question ran: the figure of requests over time."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.patches import Patch

from dreamr.planning.jobs import SummariseJob
from dreamr.records import read_rows
from dreamr.report.colours import ACTIVITIES
from dreamr.report.drawing import INK, Chart, panels
from dreamr.spans import lanes
from dreamr.statistics.frame import BASELINE
from dreamr.studies.timeline.choice import Example, side_by_side
from dreamr.traces import Trace

WORDS = {"draft": "draft writes", "verify": "target judges", "target": "target writes"}
FEW = ("target_only", "specreason")  # beside the reference; all others are in the second figure


def timeline(traces: Iterable[Path], verification: Path | None, job: SummariseJob) -> Chart | None:
    """How one question ran under the target alone, SpecReason and the reference."""
    shown = [trace for trace in _timed(traces, verification, job) if trace.method in (*FEW, job.reference)]
    return drawn(shown, job) if shown else None


def timeline_all(traces: Iterable[Path], verification: Path | None, job: SummariseJob) -> Chart | None:
    """How the same question ran under every main method."""
    shown = _timed(traces, verification, job)
    return drawn(shown, job) if shown else None


def _timed(traces: Iterable[Path], verification: Path | None, job: SummariseJob) -> list[Trace]:
    """The answers to the question that is told in words, where one is."""
    alone = [row for path in sorted(traces) for row in read_rows(path, Trace) if row.mode == "alone"]
    told = [*read_rows(verification / "example.jsonl", Example)] if verification else []
    if told:
        alone = [row for row in alone if (row.benchmark, row.question) == (told[0].benchmark, told[0].question)]
    return of_methods(job.display.main, side_by_side(alone, job.pairs, job.reference))


def of_methods(methods: Sequence[str], traces: Iterable[Trace]) -> list[Trace]:
    """The answers by these methods, in their order."""
    return sorted((row for row in traces if row.method in methods), key=lambda row: methods.index(row.method))


def drawn(traces: Sequence[Trace], job: SummariseJob) -> Chart:
    """Every step and verdict on its engine; cancelled work is hollow."""
    figure, rows = panels(len(traces), 1, 9, 0.95, sharex=True)
    data = []
    for axes, trace in zip(rows, traces, strict=True):
        dealt = [(kind, lane) for kind in WORDS for lane in lanes(span for span in trace.spans if span.kind == kind)]
        for number, (kind, lane) in enumerate(dealt):
            for span in lane:
                axes.broken_barh([(span.start, span.end - span.start)], (number, 0.8), **_look(kind, span.cancelled))
                data.append({"method": trace.method, "lane": number} | span.model_dump())
        axes.axvline(trace.seconds, color=INK, linewidth=0.8)
        if beside := _beside(trace):
            axes.axvline(beside, color=INK, linewidth=0.8, linestyle=":")
        axes.set(yticks=[], ylabel="")
        axes.set_title(f"{job.label(trace.method)}: {trace.seconds:.2f} s{_told(beside)}", loc="left")
        axes.invert_yaxis()
    rows[-1].set_xlabel(f"seconds; question {traces[0].question} of {job.label(traces[0].benchmark)}")
    handles = [Patch(label=words, **_look(kind)) for kind, words in WORDS.items()]
    handles.append(Patch(facecolor="none", edgecolor=INK, linewidth=0.8, label="cancelled"))
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4)
    alt = f"Timeline of question {traces[0].question} of {job.label(traces[0].benchmark)} under {len(traces)} methods."
    return Chart(figure, pd.DataFrame(data), alt)


def _beside(trace: Trace) -> float | None:
    """Seconds of the target right beside the answer; the target's own answer needs none."""
    return None if trace.method == BASELINE else trace.baseline_seconds


def _told(beside: float | None) -> str:
    return "" if beside is None else f" (target alone right beside it: {beside:.2f} s)"


def _look(kind: str, cancelled: bool = False) -> dict[str, Any]:
    """Filled with what its model does; only outlined, which is seen on any paper, where the work was cancelled."""
    shade = ACTIVITIES[kind]
    if cancelled:
        return {"facecolor": "none", "edgecolor": shade, "linewidth": 0.8}
    return {"facecolor": shade, "edgecolor": INK, "linewidth": 0.3}
