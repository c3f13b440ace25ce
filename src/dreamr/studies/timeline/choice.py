"""The question that is shown: its figures and its words are of the same."""

from collections import Counter
from collections.abc import Collection, Sequence

from dreamr.config import NO_DRAFT
from dreamr.records import Record
from dreamr.statistics.examples import AnswerKey, ShownStep
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
    right: bool  # by the scorer
    sound: bool  # each step is right, by the step oracle
    steps: tuple[ShownStep, ...]
    seconds: float
    alone: float | None  # seconds of the target right beside it


def side_by_side(
    traces: Sequence[Trace],
    pairs: Sequence[tuple[str, str]],
    reference: str,
    right: Collection[AnswerKey] = (),
    sound: Collection[AnswerKey] = (),
) -> list[Trace]:
    """One question of the first pair under every method, by answers given alone after the usual trainings.

    Of those where the reference took and replaced a step, that it answered right as far as `right` tells, by right
    steps alone as far as `sound` tells, which most methods answered, and most of them as it did, the one of middling
    speed-up.
    """
    cells = [*pairs[:1], *((target, NO_DRAFT) for target, _ in pairs[:1])]
    timed = [row for row in traces if row.mode == "alone" and row.replicate == 0 and not row.refusal]
    rows = [row for row in timed if (row.target, row.draft) in cells]
    ours = [row for row in rows if row.method == reference]
    if not ours:
        return []
    answered = Counter((row.benchmark, row.question) for row in rows)
    agreeing = Counter(map(_answer, rows))

    def telling(row: Trace) -> tuple[bool, bool, bool, int, int]:
        both, key = 0 < row.accepted < len(row.steps), AnswerKey.of(row)
        return both, key in right, key in sound, answered[row.benchmark, row.question], agreeing[_answer(row)]

    best = [row for row in ours if telling(row) == max(map(telling, ours))]
    chosen = sorted(best, key=_speedup)[len(best) // 2]
    return [row for row in rows if (row.benchmark, row.question) == (chosen.benchmark, chosen.question)]


def _answer(trace: Trace) -> tuple[str, str, str]:
    """The question, and the step with its answer."""
    return trace.benchmark, trace.question, trace.steps[-1].text if trace.steps else ""


def _speedup(trace: Trace) -> float:
    return (trace.baseline_seconds or trace.seconds) / trace.seconds
