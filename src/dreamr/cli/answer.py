"""Answer a suite's questions many at once with all methods of one target and draft; time none of them.

The first part of what `python -m dreamr.cli.generate` does under the same specification, as a job that needs no machine
to itself. Answers are kept in CELLS/<digest>.jsonl, question by question, and `generate` takes them up there.
OUT is written last: a mark that says which cells hold them.
"""

import argparse
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from dreamr.answering.questions import Crowd
from dreamr.answering.work import Work, answer
from dreamr.cli.common import command_parser, read_spec
from dreamr.files import write_atomically
from dreamr.planning.jobs import GenerateJob
from dreamr.runtime.endings import worded, worded_or_requeued
from dreamr.runtime.locks import only_writer
from dreamr.runtime.processes import set_threads

EXAMPLE = "snakemake prints the complete command of each job with --printshellcmds"


class Untimed(Work):
    """What of a generate job is answered many at once."""

    @cached_property
    def timed(self) -> list[Crowd]:
        """Nothing."""
        return []


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    job = read_spec(GenerateJob, options.spec)
    set_threads(job.device)
    work = Untimed(job, options.models, options.data, options.cells)
    with worded_or_requeued(options.cells), only_writer(*work.paths.values()):
        work.take_up()
        if work.left:
            answer(work)
        cells = {name: path.stem for name, path in work.paths.items()}
        write_atomically(options.out, json.dumps({"answers": work.kept, "cells": cells}, indent=1) + "\n")


def parser() -> argparse.ArgumentParser:
    described = command_parser("answer", __doc__, EXAMPLE)
    described.add_argument("--spec", required=True, metavar="JSON", help="a GenerateJob: target, drafts, cells, suite")
    described.add_argument("--models", required=True, type=Path, help="folder with one folder per model")
    described.add_argument("--data", required=True, type=Path, help="folder of the prepared questions")
    described.add_argument("--cells", required=True, type=Path, help="folder where finished questions are kept")
    described.add_argument("--out", required=True, type=Path, metavar="FILE", help="the mark, JSON")
    return described


if __name__ == "__main__":
    main()
