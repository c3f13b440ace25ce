"""Hold the target's verdicts against the micro world's step oracle: error rates, calibration, the worst examples.

Works where the questions were generated here, since only then is it known whether a single step is right. Writes
verification.csv, thresholds.csv, roc.csv, calibration.csv and gallery.jsonl.
"""

import argparse
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from dreamr.cli.common import command_parser, read_spec
from dreamr.data.prepared import prepared_questions
from dreamr.errors import UserError
from dreamr.micro.datasets import Fact
from dreamr.micro.oracle import is_right
from dreamr.micro.world import Truth
from dreamr.planning.jobs import SummariseJob
from dreamr.records import Trace, read_rows, write_rows
from dreamr.runtime.endings import worded
from dreamr.statistics import step_verdicts
from dreamr.statistics.frame import write_table
from dreamr.statistics.gallery import examples, worst
from dreamr.statistics.names import GALLERY, OF_STEPS
from dreamr.statistics.step_verdicts import StepOracle, verified_steps


@worded()
def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    job = read_spec(SummariseJob, options.spec)
    traces = [
        row
        for path in options.traces
        for row in read_rows(path, Trace)
        if row.mode == "batched" and row.verified and row.seed == 0
    ]
    if not traces:
        raise UserError("no verified step: none of the traces given was verified by a target")
    benchmarks = {trace.benchmark for trace in traces}
    questions = prepared_questions(options.data, benchmarks)
    steps = verified_steps(traces, questions, oracle(options.truth, benchmarks))
    for name in OF_STEPS:
        write_table(getattr(step_verdicts, name)(steps, job), options.out / f"{name}.csv")
    shown = list(examples(worst(steps, job.reference), traces, questions, options.data))
    shown.sort(key=lambda one: (one.target, one.draft, one.kind, one.question))
    write_rows(options.out / GALLERY, shown)


def oracle(folder: Path, benchmarks: set[str]) -> StepOracle:
    """The step oracle of the micro data sets under `folder`."""
    truths: dict[tuple[str, str], Truth] = {
        (name, fact.id): fact.truth for name in benchmarks for fact in read_rows(folder / name / "truth.jsonl", Fact)
    }

    @cache
    def right(benchmark: str, question: str, step: str, before: tuple[str, ...]) -> bool:
        return is_right(truths[benchmark, question], step, before)

    def judge(benchmark: str, question: str, step: str, before: Sequence[str]) -> bool:
        return right(benchmark, question, step, tuple(before))

    return judge


def parser() -> argparse.ArgumentParser:
    described = command_parser("verify", __doc__)
    described.add_argument("--spec", required=True, metavar="JSON", help="the SummariseJob of the tables")
    described.add_argument("--traces", required=True, nargs="+", type=Path, metavar="FILE", help="Trace rows")
    described.add_argument("--data", required=True, type=Path, metavar="FOLDER", help="prepared questions and images")
    described.add_argument(
        "--truth", required=True, type=Path, metavar="FOLDER", help="micro data sets, with truth.jsonl"
    )
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="folder for the results")
    return described


if __name__ == "__main__":
    main()
