"""Turn one published data set into typed questions, one JSON object a line, with its images beside it.

The adapter of the data set, a module of `dreamr.data`, reads a local folder of parquet files or a data set of the
hub. A row that breaks the data set's schema stops the job with data set, row, column and value; nothing is skipped in
silence. Images are stored by content in OUT's folder, under images/. An example of SPEC:

    {"name": "mmbench", "data": {"adapter": "mmbench", "path": "resources/micro/mmbench", "split": "dev"}}
"""

from pathlib import Path

from dreamr.cli.common import read_spec
from dreamr.data.loading import prepare_questions
from dreamr.planning.jobs import PrepareJob
from dreamr.records import write_rows
from dreamr.runtime.endings import exit_on_user_error


@exit_on_user_error()
def main(*, spec: str, out: Path) -> None:
    """Write the questions, and print how many they are.

    Args:
        spec: JSON of a PrepareJob: name and data (see config.yaml)
        out: questions, JSON lines
    """
    job = read_spec(PrepareJob, spec)
    questions = prepare_questions(job.name, job.data, out.parent)
    write_rows(out, questions)
    clusters = len({question.cluster for question in questions})
    print(
        f"{job.name}: {len(questions)} questions, {clusters} clusters, {sum(len(q.images) for q in questions)} images"
    )
