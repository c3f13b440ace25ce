"""Turn one published data set into typed questions, one JSON object a line, with its images beside it.

The adapter of the data set, a module of `dreamr.data`, reads a local folder of parquet files or a data set of the
hub. A row that breaks the data set's schema stops the job with data set, row, column and value; nothing is skipped in
silence. Images are stored by content in OUT's folder, under images/.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from dreamr.cli.common import command_parser, read_spec
from dreamr.data.loading import prepare_questions
from dreamr.planning.jobs import PrepareJob
from dreamr.records import write_rows
from dreamr.runtime.endings import worded

EXAMPLE = '{"name": "mmbench", "data": {"adapter": "mmbench", "path": "resources/micro/mmbench", "split": "dev"}}'


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    job = read_spec(PrepareJob, options.spec)
    questions = prepare_questions(job.name, job.data, options.out.parent)
    write_rows(options.out, questions)
    clusters = len({question.cluster for question in questions})
    print(
        f"{job.name}: {len(questions)} questions, {clusters} clusters, {sum(len(q.images) for q in questions)} images"
    )


def parser() -> argparse.ArgumentParser:
    described = command_parser("prepare", __doc__, f"example of JSON: {EXAMPLE}")
    described.add_argument(
        "--spec", required=True, metavar="JSON", help="a PrepareJob: name and data (see config.yaml)"
    )
    described.add_argument("--out", required=True, type=Path, metavar="FILE", help="questions, JSON lines")
    return described


if __name__ == "__main__":
    main()
