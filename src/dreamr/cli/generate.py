"""Answer a suite's questions with all methods of one target and draft, and write one trace per question.

Each model is loaded once. First every question is answered in batches (accuracy, acceptance); then some are answered
one at a time beside a target-only run of the same question (latency). A finished question is kept at once in
CELLS/<digest>.jsonl; a job that was killed goes on at the first unfinished question, and what an earlier job answered
under the same spec, code, packages, model files and questions is taken from there, times only from the same device.
OUT is written last, in a fixed order. Snakemake prints the whole command of each job with --printshellcmds.
"""

from pathlib import Path

from dreamr.answering.thresholds import with_thresholds
from dreamr.answering.work import Work, answer
from dreamr.cli.common import PerhapsFiles, read_spec
from dreamr.planning.jobs import GenerateJob
from dreamr.records import write_rows
from dreamr.runtime.endings import exit_on_user_error, exit_or_requeue
from dreamr.runtime.locks import only_writer
from dreamr.runtime.processes import set_threads


@exit_on_user_error()
def main(*, spec: str, models: Path, data: Path, cells: Path, out: Path, calibrated: PerhapsFiles = ()) -> None:
    """Answer what is left, and write all traces.

    Args:
        spec: JSON of a GenerateJob: target, drafts, cells, suite
        models: folder with one folder per model
        data: folder of the prepared questions
        cells: folder where finished questions are kept
        out: traces, JSON lines
        calibrated: certificates of the thresholds that are calibrated
    """
    job = with_thresholds(read_spec(GenerateJob, spec), calibrated)
    set_threads(job.device)
    work = Work(job, models, data, cells)
    with exit_or_requeue(cells), only_writer(*work.paths.values()):
        work.take_up()
        if work.left:
            answer(work)
        write_rows(out, work.traces())
