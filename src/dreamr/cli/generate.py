"""Answer a suite's questions with all methods of one target and draft, and write one trace per question.

Each model is loaded once. First every question is answered in batches (accuracy, acceptance); then some are answered
one at a time beside a target-only run of the same question (latency). A finished question is kept at once in
CELLS/<digest>.jsonl; a job that was killed goes on at the first unfinished question, and what an earlier job answered
under the same spec, code, packages, model files and questions is taken from there, times only from the same device.
OUT is written last, in a fixed order.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from dreamr.answering.work import Work, answer
from dreamr.cli.common import command_parser, read_spec
from dreamr.planning.jobs import GenerateJob
from dreamr.records import write_rows
from dreamr.runtime.endings import worded, worded_or_requeued
from dreamr.runtime.locks import only_writer
from dreamr.runtime.output import print_lines
from dreamr.runtime.processes import set_threads

EXAMPLE = "snakemake prints the complete command of each job with --printshellcmds"


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    job = read_spec(GenerateJob, options.spec)
    set_threads(job.device)
    work = Work(job, options.models, options.data, options.cells)
    with worded_or_requeued(options.cells), only_writer(*work.paths.values()):
        work.take_up()
        if work.left:
            answer(work)
        write_rows(options.out, work.traces())


def parser() -> argparse.ArgumentParser:
    described = command_parser("generate", __doc__, EXAMPLE)
    described.add_argument("--spec", required=True, metavar="JSON", help="a GenerateJob: target, drafts, cells, suite")
    described.add_argument("--models", required=True, type=Path, help="folder with one folder per model")
    described.add_argument("--data", required=True, type=Path, help="folder of the prepared questions")
    described.add_argument("--cells", required=True, type=Path, help="folder where finished questions are kept")
    described.add_argument("--out", required=True, type=Path, metavar="FILE", help="traces, JSON lines")
    return described


if __name__ == "__main__":
    print_lines()
    main()
