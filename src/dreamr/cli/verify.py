"""Hold the target's verdicts against the micro world's step oracle: error rates, calibration, the worst examples.

Reads the answers to questions that were generated here, since only of these is it known whether a single step is right;
those to other benchmarks are left out. All that it writes is declared by studies.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from dreamr.cli.common import read_spec
from dreamr.data.prepared import prepared_questions
from dreamr.errors import UserError
from dreamr.micro.datasets import Fact
from dreamr.micro.oracle import is_right, kind
from dreamr.micro.world import Truth
from dreamr.planning.jobs import SummariseJob, VerifyJob
from dreamr.records import Question, read_rows, write_rows
from dreamr.runtime.endings import exit_on_user_error
from dreamr.statistics.examples import AnswerKey, right_alone
from dreamr.statistics.frame import first_training, load_scores, write_table
from dreamr.statistics.step_frame import (
    Judgement,
    StepOracle,
    answers,
    sound_answers,
    unread_steps,
    verified_steps,
    weighed,
)
from dreamr.studies.catalogue import make
from dreamr.traces import Trace


@dataclass(frozen=True)
class Judged:
    """What studies have for their tables."""

    steps: pd.DataFrame  # that the target verified
    unread: pd.DataFrame  # of the draft that nobody judged
    answers: pd.DataFrame  # that they are part of
    traces: Sequence[Trace]
    timed: Sequence[Trace]  # answers to the same benchmarks that were given alone
    right: Collection[AnswerKey]  # those of the timed that were graded right
    sound: Collection[AnswerKey]  # those whose steps are all right, by the oracle
    questions: Mapping[tuple[str, str], Question]
    data: Path  # with the images of questions
    job: SummariseJob


@exit_on_user_error()
def main(*, spec: str, traces: tuple[Path, ...], scores: tuple[Path, ...], data: Path, truth: Path, out: Path) -> None:
    """Write all of it.

    Args:
        spec: JSON of a VerifyJob: benchmarks and tables
        traces: Trace rows
        scores: their Score rows
        data: folder of prepared questions and images
        truth: folder of the micro data sets, with truth.jsonl
        out: folder for the results
    """
    asked = read_spec(VerifyJob, spec)
    job, verified, timed = asked.tables, verified_traces(traces, asked.benchmarks), alone(traces, asked.benchmarks)
    benchmarks = {trace.benchmark for trace in [*verified, *timed]}
    questions = prepared_questions(data, benchmarks)
    judge = oracle(truth, benchmarks)
    found = load_scores(scores)
    steps, unread = (weighed(made(verified, questions, judge), found) for made in (verified_steps, unread_steps))
    graded = answers(verified, found, judge)
    right, sound = right_alone(first_training(found)), sound_answers(timed, judge)
    write(Judged(steps, unread, graded, verified, timed, right, sound, questions, data, job), out)


def write(judged: Judged, out: Path) -> None:
    """Write what studies make of it."""
    for name, made in make("verify", judged):
        if isinstance(made, pd.DataFrame):
            write_table(made, out / f"{name}.csv")
        else:
            write_rows(out / name, made)


def verified_traces(paths: Iterable[Path], benchmarks: Collection[str]) -> list[Trace]:
    """The batched answers to these benchmarks that a target verified; none: UserError.

    Without their spans, which say nothing here and are most of the memory where there are many answers.
    """
    batched = (row for path in paths for row in read_rows(path, Trace) if row.mode == "batched")
    asked = (row for row in batched if row.verified and row.benchmark in benchmarks)
    found = [row.model_copy(update={"spans": ()}) for row in asked]
    if not found:
        raise UserError(f"no verified step: no target verified any of the traces given of {', '.join(benchmarks)}")
    return found


def alone(paths: Iterable[Path], benchmarks: Collection[str]) -> list[Trace]:
    """The answers to these benchmarks that were given alone, in the order of the files' names."""
    rows = (row for path in sorted(paths) for row in read_rows(path, Trace))
    return [row for row in rows if row.mode == "alone" and row.benchmark in benchmarks]


def oracle(folder: Path, benchmarks: set[str]) -> StepOracle:
    """The step oracle of the micro data sets under `folder`."""
    truths: dict[tuple[str, str], Truth] = {
        (name, fact.id): fact.truth for name in benchmarks for fact in read_rows(folder / name / "truth.jsonl", Fact)
    }

    @cache
    def judged(benchmark: str, question: str, step: str, before: tuple[str, ...]) -> Judgement:
        return Judgement(is_right(truths[benchmark, question], step, before), kind(step, before))

    def judge(benchmark: str, question: str, step: str, before: Sequence[str]) -> Judgement:
        return judged(benchmark, question, step, tuple(before))

    return judge
