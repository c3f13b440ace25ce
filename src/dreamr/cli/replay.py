"""Predict timed answers from answers in which nothing overlapped, and hold the predictions against what was measured.

Writes replay.csv (measured and predicted speed-ups, with the gate), replay_questions.csv (each answer),
replay_costs.csv (what the engines' work was found to cost) and, where the gate is met, projection.csv (speed-ups on
engines of other costs; never a measurement). Tables are empty where no target was timed beside a busy draft (loop
`beside`), or too few questions were timed.
"""

from pathlib import Path

from dreamr.cli.common import read_spec
from dreamr.data.prepared import prepared_questions
from dreamr.planning.jobs import ReplayJob
from dreamr.records import Trace, read_rows
from dreamr.replay.elsewhere import answers_elsewhere
from dreamr.replay.predictions import costs, parts, predictions
from dreamr.runtime.endings import worded
from dreamr.statistics.frame import write_table
from dreamr.statistics.predicted import compared, is_met, projected


@worded()
def main(*, spec: str, traces: tuple[Path, ...], data: Path, out: Path) -> None:
    """Write the four tables.

    Args:
        spec: JSON of a ReplayJob: limits, methods, pairs
        traces: Trace rows
        data: folder of prepared questions
        out: folder for the CSV files
    """
    job = read_spec(ReplayJob, spec)
    rows = [row for path in traces for row in read_rows(path, Trace)]
    questions = prepared_questions(data, {row.benchmark for row in rows})
    folds = parts(rows, job)
    answers = predictions(folds, questions)
    table = compared(answers, job.tables)
    write_table(table, out / "replay.csv")
    write_table(answers, out / "replay_questions.csv")
    write_table(costs(folds), out / "replay_costs.csv")
    elsewhere = answers_elsewhere(folds if is_met(table) else [], questions)
    write_table(projected(elsewhere, job.tables), out / "projection.csv")
