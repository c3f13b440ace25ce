"""Answer a suite's questions many at once with all methods of one target and draft; time none of them.

The first part of what `dreamr generate` does under the same specification, as a job that needs no machine
to itself. Answers are kept in CELLS/<digest>.jsonl, question by question, and `generate` takes them up there.
OUT is written last: a mark that says which cells hold them. Snakemake prints the whole command of each job with
--printshellcmds.
"""

import json
from functools import cached_property
from pathlib import Path

from dreamr.answering.questions import TimedBlock
from dreamr.answering.thresholds import with_thresholds
from dreamr.answering.work import Work, answer
from dreamr.cli.common import PerhapsFiles, read_spec
from dreamr.files import write_atomically
from dreamr.planning.jobs import GenerateJob
from dreamr.runtime.endings import exit_on_user_error, exit_or_requeue
from dreamr.runtime.locks import only_writer
from dreamr.runtime.processes import set_threads


class Untimed(Work):
    """What of a generate job is answered many at once."""

    @cached_property
    def timed(self) -> list[TimedBlock]:
        """Nothing."""
        return []


@exit_on_user_error()
def main(*, spec: str, models: Path, data: Path, cells: Path, out: Path, calibrated: PerhapsFiles = ()) -> None:
    """Answer what is not timed, and leave the mark.

    Args:
        spec: JSON of a GenerateJob: target, drafts, cells, suite
        models: folder with one folder per model
        data: folder of the prepared questions
        cells: folder where finished questions are kept
        out: the mark, JSON
        calibrated: certificates of the thresholds that are calibrated
    """
    job = with_thresholds(read_spec(GenerateJob, spec), calibrated)
    set_threads(job.device)
    work = Untimed(job, models, data, cells)
    with exit_or_requeue(cells), only_writer(*work.paths.values()):
        work.take_up()
        if work.left:
            answer(work)
        kept = {name: path.stem for name, path in work.paths.items()}
        write_atomically(out, json.dumps({"answers": work.kept, "cells": kept}, indent=1) + "\n")
