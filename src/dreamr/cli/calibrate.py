"""Calibrate the threshold of one method on one pair: how loose may it be without losing the accuracy that is promised?

Candidates are tested from the strictest to the first that is not certified, each on the same problems, beside the
target's own answers (REFERENCE). A test ends once it has decided, and only what it needs is answered, many at once. A
finished answer is kept at once in CELLS/<digest>.jsonl, from which a job that was killed goes on. OUT is a certificate:
each test, and the threshold that is used. Snakemake prints the whole command of each job with --printshellcmds.
"""

from pathlib import Path

from dreamr.answering.work import Work, finish
from dreamr.calibration.candidates import Candidates
from dreamr.cli.common import read_spec
from dreamr.data.prepared import prepared_questions
from dreamr.files import write_atomically
from dreamr.planning.jobs import CalibrateJob
from dreamr.records import read_rows
from dreamr.runtime.endings import exit_on_user_error, exit_or_requeue
from dreamr.runtime.locks import only_writer
from dreamr.runtime.processes import set_threads
from dreamr.traces import Trace


@exit_on_user_error()
def main(*, spec: str, reference: Path, models: Path, data: Path, cells: Path, out: Path) -> None:
    """Answer what the tests need, and write the certificate.

    Args:
        spec: JSON of a CalibrateJob: method, what is promised of it, a cell for each candidate
        reference: the target's own answers to the problems, Trace rows
        models: folder with one folder per model
        data: folder of the prepared questions
        cells: folder where finished answers are kept
        out: the certificate, JSON
    """
    job = read_spec(CalibrateJob, spec)
    set_threads(job.answers.device)
    work = Work(job.answers, models, data, cells)
    answered = {(row.benchmark, row.question): row for row in read_rows(reference, Trace)}
    with exit_or_requeue(cells), only_writer(*work.paths.values()):
        work.take_up()
        asked = prepared_questions(data, {question.benchmark for question in work.questions})
        candidates = Candidates(job, work, answered, asked)
        if candidates.waiting():
            finish(work, candidates.answer())
        certificate = candidates.certificate()
        write_atomically(out, certificate.model_dump_json(indent=1) + "\n")
        print(certificate)
