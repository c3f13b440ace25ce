"""Export how one question ran for the Perfetto viewer (ui.perfetto.dev) or chrome://tracing.

    dreamr export-trace --traces results/traces/q3vl-deep-awq/q3vl-2l/main/all.jsonl \\
        --benchmark mathverse --question 1 --out trace.json

Every method that answered the question, batched or alone, becomes a process. Its tracks are draft, verdicts and target,
each with as many lanes as it has steps under way at once.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from dreamr.errors import UserError
from dreamr.files import write_atomically
from dreamr.records import read_rows
from dreamr.runtime.endings import exit_on_user_error
from dreamr.spans import lanes
from dreamr.traces import Span, Trace

KINDS = ("draft", "verify", "target")  # of spans, from the top down
MICROSECONDS = 1e6


@exit_on_user_error()
def main(*, traces: Path, benchmark: str, question: str, out: Path) -> None:
    """Write the events of one question.

    Args:
        traces: traces of one target and draft
        benchmark: name of the question's benchmark
        question: its id
        out: the JSON file to open in the viewer
    """
    rows = [row for row in read_rows(traces, Trace) if row.benchmark == benchmark]
    chosen = [row for row in rows if row.question == question]
    if not chosen:
        known = sorted({row.question for row in rows})
        raise UserError(f"{traces}: no question {question!r} of {benchmark!r}; first: {known[:5]}")
    text = json.dumps({"traceEvents": list(events(chosen)), "displayTimeUnit": "ms"}, indent=1)
    write_atomically(out, text)


def events(traces: Sequence[Trace]) -> Iterator[dict[str, Any]]:
    """Events in Chrome's trace format: names of processes and tracks, and one complete event per step of a request."""
    # Perfetto tells tracks apart by their number alone, and moves one to the top that has its process's number.
    tracks = count(len(traces) + 1)
    for process, trace in enumerate(traces, 1):
        yield _about("process_name", process, 0, name=f"{trace.method}, {trace.mode}: {trace.target} ← {trace.draft}")
        for kind in KINDS:
            for number, lane in enumerate(lanes(span for span in trace.spans if span.kind == kind), 1):
                track = next(tracks)
                yield _about("thread_name", process, track, name=kind if number == 1 else f"{kind}, lane {number}")
                yield _about("thread_sort_index", process, track, sort_index=track)
                yield from (_bar(trace, span, process, track) for span in lane)


def _bar(trace: Trace, span: Span, process: int, track: int) -> dict[str, Any]:
    # Whole numbers: start plus duration is then exactly the end, and the next bar may begin there.
    start, end = round(span.start * MICROSECONDS), round(span.end * MICROSECONDS)
    return {
        "ph": "X",
        "name": f"{span.kind} {span.step}" + (" (cancelled)" if span.cancelled else ""),
        "cat": span.engine,
        "pid": process,
        "tid": track,
        "ts": start,
        "dur": end - start,
        "args": {"tokens": span.tokens, "cancelled": span.cancelled, "text": _text(trace, span.step)},
    }


def _about(kind: str, process: int, track: int, **facts: str | int) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": process, "tid": track, "args": facts}


def _text(trace: Trace, step: int) -> str:
    """The step as committed; work on steps that were never committed has none."""
    return trace.steps[step].text if step < len(trace.steps) else ""
