"""Export how one question ran for the Perfetto viewer (ui.perfetto.dev) or chrome://tracing.

    python -m dreamr.cli.export_trace --traces results/traces/q3vl-deep-awq/q3vl-2l/main/all.jsonl \\
        --benchmark mathverse --question 1 --out trace.json

Every method that answered the question, batched or alone, becomes a process; draft, verdicts and target are its tracks.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dreamr.records import Trace, read_rows

TRACKS = {"draft": 1, "verify": 2, "target": 3}
MICROSECONDS = 1e6


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    traces = [row for row in read_rows(options.traces, Trace) if row.benchmark == options.benchmark]
    chosen = [row for row in traces if row.question == options.question]
    if not chosen:
        known = sorted({row.question for row in traces})
        raise SystemExit(
            f"{options.traces}: no question {options.question!r} of {options.benchmark!r}; first: {known[:5]}"
        )
    text = json.dumps({"traceEvents": list(events(chosen)), "displayTimeUnit": "ms"}, indent=1)
    part = options.out.with_name(options.out.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(options.out)


def events(traces: Iterable[Trace]) -> Iterator[dict[str, Any]]:
    """Events in Chrome's trace format: names of processes and tracks, then one complete event per request."""
    for process, trace in enumerate(traces, 1):
        yield _name("process_name", process, 0, f"{trace.method}, {trace.mode}: {trace.target} ← {trace.draft}")
        for track, number in TRACKS.items():
            yield _name("thread_name", process, number, track)
        for span in trace.spans:
            yield {
                "ph": "X",
                "name": f"{span.kind} {span.step}" + (" (cancelled)" if span.cancelled else ""),
                "cat": span.engine,
                "pid": process,
                "tid": TRACKS[span.kind],
                "ts": span.start * MICROSECONDS,
                "dur": (span.end - span.start) * MICROSECONDS,
                "args": {"tokens": span.tokens, "cancelled": span.cancelled, "text": _text(trace, span.step)},
            }


def _name(kind: str, process: int, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": process, "tid": track, "args": {"name": name}}


def _text(trace: Trace, step: int) -> str:
    """The step as committed; work on steps that were never committed has none."""
    return trace.steps[step].text if step < len(trace.steps) else ""


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="python -m dreamr.cli.export_trace",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    described.add_argument("--traces", required=True, type=Path, metavar="FILE", help="traces of one target and draft")
    described.add_argument("--benchmark", required=True, metavar="NAME", help="benchmark of the question")
    described.add_argument("--question", required=True, metavar="ID", help="its id")
    described.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="the JSON file to open in the viewer"
    )
    return described


if __name__ == "__main__":
    main()
