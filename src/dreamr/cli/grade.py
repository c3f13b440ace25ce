"""Score recorded traces against their questions, without any model: a changed scorer costs seconds.

Reads traces (JSON lines) and the questions of each benchmark that they name, DATA/<benchmark>.jsonl; writes one score a
trace, in the same order. A trace of an unknown question, or two of one cell and question, stop the job.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from dreamr.cli.common import command_parser
from dreamr.data.prepared import prepared_questions
from dreamr.records import Trace, read_rows, write_rows
from dreamr.runtime.endings import worded
from dreamr.scoring.grading import scored


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    traces = list(read_rows(options.traces, Trace))
    scores = scored(traces, prepared_questions(options.data, {trace.benchmark for trace in traces}))
    write_rows(options.out, scores)
    for name in sorted({score.benchmark for score in scores}):
        rows = [score for score in scores if score.benchmark == name]
        right, unread = sum(row.correct for row in rows), sum(row.unresolved for row in rows)
        cut, refused = sum(row.truncated for row in rows), sum(row.refusal is not None for row in rows)
        print(f"{name}: {len(rows)} questions, {right} right, {unread} unreadable, {cut} cut, {refused} refused")


def parser() -> argparse.ArgumentParser:
    described = command_parser("grade", __doc__)
    described.add_argument("--traces", required=True, type=Path, metavar="FILE", help="Trace rows, JSON lines")
    described.add_argument("--data", required=True, type=Path, metavar="DATA", help="folder of the prepared questions")
    described.add_argument("--out", required=True, type=Path, metavar="FILE", help="Score rows, JSON lines")
    return described


if __name__ == "__main__":
    main()
