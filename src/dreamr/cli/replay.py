"""Predict timed answers from answers in which nothing overlapped, and hold the predictions against what was measured.

Writes replay.csv (measured and predicted speed-ups, with the gate), replay_questions.csv (each answer),
replay_costs.csv (what the engines' work was found to cost) and, where the gate is met, projection.csv (speed-ups on
engines of other costs; never a measurement). Tables are empty where no target was timed beside a busy draft (loop
`beside`), or too few questions were timed.
"""

import argparse
from pathlib import Path

from dreamr.cli.common import command_parser, read_spec
from dreamr.data.prepared import prepared_questions
from dreamr.planning.jobs import ReplayJob
from dreamr.records import Trace, read_rows
from dreamr.replay.elsewhere import answers_elsewhere
from dreamr.replay.predictions import costs, parts, predictions
from dreamr.runtime.endings import worded
from dreamr.statistics.frame import write_table
from dreamr.statistics.predicted import compared, is_met, projected


@worded()
def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    job = read_spec(ReplayJob, options.spec)
    traces = [row for path in options.traces for row in read_rows(path, Trace)]
    questions = prepared_questions(options.data, {trace.benchmark for trace in traces})
    folds = parts(traces, job)
    answers = predictions(folds, questions)
    table = compared(answers, job.tables)
    write_table(table, options.out / "replay.csv")
    write_table(answers, options.out / "replay_questions.csv")
    write_table(costs(folds), options.out / "replay_costs.csv")
    elsewhere = answers_elsewhere(folds if is_met(table) else [], questions)
    write_table(projected(elsewhere, job.tables), options.out / "projection.csv")


def parser() -> argparse.ArgumentParser:
    described = command_parser("replay", __doc__)
    described.add_argument("--spec", required=True, metavar="JSON", help="a ReplayJob: limits, methods, pairs")
    described.add_argument("--traces", required=True, nargs="+", type=Path, metavar="FILE", help="Trace rows")
    described.add_argument("--data", required=True, type=Path, metavar="FOLDER", help="prepared questions")
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="folder for the CSV files")
    return described


if __name__ == "__main__":
    main()
