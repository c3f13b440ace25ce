"""Score recorded traces against their questions, without any model: a changed scorer costs seconds.

Reads traces (JSON lines) and the questions of each benchmark that they name, DATA/<benchmark>.jsonl; writes one score a
trace, in the same order. A trace of an unknown question, or two of one cell and question, stop the job.
"""

from pathlib import Path

from dreamr.data.prepared import prepared_questions
from dreamr.records import read_rows, write_rows
from dreamr.runtime.endings import exit_on_user_error
from dreamr.scoring.grading import scored
from dreamr.traces import Trace


@exit_on_user_error()
def main(*, traces: Path, data: Path, out: Path) -> None:
    """Write the scores, and print a line for each benchmark.

    Args:
        traces: Trace rows, JSON lines
        data: folder of the prepared questions
        out: Score rows, JSON lines
    """
    answers = list(read_rows(traces, Trace))
    scores = scored(answers, prepared_questions(data, {answer.benchmark for answer in answers}))
    write_rows(out, scores)
    for name in sorted({score.benchmark for score in scores}):
        rows = [score for score in scores if score.benchmark == name]
        right, unread = sum(row.correct for row in rows), sum(row.unresolved for row in rows)
        cut, refused = sum(row.truncated for row in rows), sum(row.refusal is not None for row in rows)
        print(f"{name}: {len(rows)} questions, {right} right, {unread} unreadable, {cut} cut, {refused} refused")
