"""Turn one published data set into typed questions, one JSON object a line, with its pictures beside it.

The adapter in `dreamr.benchmarks` or `dreamr.training_sets` reads a local folder of parquet files or a data set of the
hub. A row that breaks the data set's schema stops the job with data set, row, column and value; nothing is skipped in
silence. Pictures are stored by content in OUT's folder, under images/.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from dreamr.benchmarks import load_questions
from dreamr.jobs import PrepareJob
from dreamr.records import IMAGE_MARK, Question, write_rows

EXAMPLE = '{"name": "mmbench", "data": {"adapter": "mmbench", "path": "resources/micro/mmbench", "split": "dev"}}'


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    try:
        job = PrepareJob.model_validate_json(options.spec)
    except ValidationError as error:
        raise SystemExit(f"--spec {options.spec}: {error}") from None
    questions = prepared(job, options.out.parent)
    write_rows(options.out, questions)
    clusters = len({question.cluster for question in questions})
    print(
        f"{job.name}: {len(questions)} questions, {clusters} clusters, {sum(len(q.images) for q in questions)} pictures"
    )


def prepared(job: PrepareJob, folder: Path) -> list[Question]:
    """The data set's questions, checked; pictures go to `folder`/images."""
    questions = load_questions(job.data, folder)
    if not questions:
        raise SystemExit(f"{job.name}: {job.data.path}, split {job.data.split!r}, holds no question with a picture")
    twice = [name for name, count in Counter(question.id for question in questions).items() if count > 1]
    if twice:
        raise SystemExit(f"{job.name}: ids must be unique; found more than once: {', '.join(twice[:5])}")
    for question in questions:
        check(question)
    return questions


def check(question: Question) -> None:
    """Stop where a question and its pictures, options or gold do not fit together."""
    marks = question.prompt.count(IMAGE_MARK)
    problems = {
        f"{marks} picture marks for {len(question.images)} pictures": marks != len(question.images),
        "no picture": not question.images,
        "no words in the prompt": not question.prompt.replace(IMAGE_MARK, "").strip(),
        f"gold {question.gold!r} is empty": not any(text.strip() for text in question.gold),
        f"a single option: {question.options!r}": len(question.options) == 1,
    }
    found = [problem for problem, present in problems.items() if present]
    if found:
        raise SystemExit(f"{question.dataset}, question {question.id}: {'; '.join(found)}")


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="python -m dreamr.cli.prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"example of JSON: {EXAMPLE}",
    )
    described.add_argument(
        "--spec", required=True, metavar="JSON", help="a PrepareJob: name and data (see config.yaml)"
    )
    described.add_argument("--out", required=True, type=Path, metavar="FILE", help="questions, JSON lines")
    return described


if __name__ == "__main__":
    main()
