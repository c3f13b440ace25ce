"""The question of the timeline in words: its picture, and the answer step by step."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dreamr.planning.jobs import SummariseJob
from dreamr.records import Question, Record
from dreamr.statistics.examples import ShownStep, asked, pictures, shown_steps
from dreamr.studies.timeline.choice import side_by_side
from dreamr.traces import Trace


class Example(Record):
    """A question with the reference's answer, and how long that took."""

    target: str
    draft: str
    benchmark: str
    question: str
    prompt: str
    images: tuple[str, ...]  # data URIs
    gold: tuple[str, ...]
    steps: tuple[ShownStep, ...]
    seconds: float
    alone: float | None  # seconds of the target right beside it


def example(
    timed: Sequence[Trace], questions: Mapping[tuple[str, str], Question], data: Path, job: SummariseJob
) -> list[Example]:
    """That of the first pair, where it was timed."""
    shown = side_by_side(timed, job.pairs, job.reference)
    ours = [trace for trace in shown if trace.method == job.reference]
    return [_example(trace, questions[trace.benchmark, trace.question], data) for trace in ours]


def _example(ours: Trace, question: Question, data: Path) -> Example:
    return Example(
        **{key: getattr(ours, key) for key in ("target", "draft", "benchmark", "question")},
        prompt=asked(question),
        images=pictures(question, data),
        gold=question.gold,
        steps=shown_steps(ours.steps),
        seconds=ours.seconds,
        alone=ours.baseline_seconds,
    )
