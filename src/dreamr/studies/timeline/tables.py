"""The question of the timeline in words: its picture, and the answer step by step."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from dreamr.planning.jobs import SummariseJob
from dreamr.records import Question
from dreamr.statistics.examples import AnswerKey, asked, pictures, shown_steps
from dreamr.studies.timeline.choice import Example, side_by_side
from dreamr.traces import Trace


def example(
    timed: Sequence[Trace],
    right: Collection[AnswerKey],
    sound: Collection[AnswerKey],
    questions: Mapping[tuple[str, str], Question],
    data: Path,
    job: SummariseJob,
) -> list[Example]:
    """That of the first pair, where it was timed."""
    shown = side_by_side(timed, job.pairs, job.reference, right, sound)
    ours = [trace for trace in shown if trace.method == job.reference]
    return [_example(trace, questions[trace.benchmark, trace.question], data, right, sound) for trace in ours]


def _example(
    ours: Trace, question: Question, data: Path, right: Collection[AnswerKey], sound: Collection[AnswerKey]
) -> Example:
    key = AnswerKey.of(ours)
    return Example(
        target=ours.target,
        draft=ours.draft,
        benchmark=ours.benchmark,
        question=ours.question,
        right=key in right,
        sound=key in sound,
        prompt=asked(question),
        images=pictures(question, data),
        gold=question.gold,
        steps=shown_steps(ours.steps),
        seconds=ours.seconds,
        alone=ours.baseline_seconds,
    )
