"""Steps and answers as the micro world's step oracle sees them: the frames behind CPN under the lens.

Only the micro world knows whether a single reasoning step is right, so these frames exist at its scales alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import nan
from typing import Any, NamedTuple

import pandas as pd

from dreamr.records import Question
from dreamr.statistics.examples import AnswerKey
from dreamr.statistics.frame import KEYS, batched, weights
from dreamr.steps import single_steps
from dreamr.traces import Step, Trace

ANSWER = [*KEYS, "replicate", "question"]
ANSWER_LINE = "answer"  # the claim that an answer line makes
SEVERAL = "several steps"


class Judgement(NamedTuple):
    """What the oracle says of a step: `claim` is the kind of what it claims, "filler", "repeat" or "unreadable".

    Several steps that were judged as one are right if each of them is, and have no kind of their own.
    """

    right: bool
    claim: str


StepOracle = Callable[[str, str, str, Sequence[str]], Judgement]  # benchmark, question, step, steps before


def verified_steps(
    traces: Iterable[Trace], questions: Mapping[tuple[str, str], Question], judge: StepOracle
) -> pd.DataFrame:
    """One row per verified draft step of the batched traces: verdict, accepted, and what the oracle says.

    `clean`: no step before it, whoever wrote it, is wrong. Of rejected steps also `own_right`: whether the target's
    version, which took its place, is right; NaN where the step was accepted.
    """
    rows = pd.DataFrame([row for trace in traces for row in _steps(trace, questions, judge)])
    if rows.empty:
        return rows
    rows["cluster"] = pd.factorize(rows.benchmark + "/" + rows.group, sort=True)[0]
    rows["n"] = 1.0
    return with_outcomes(rows)


def with_outcomes(rows: pd.DataFrame) -> pd.DataFrame:
    """Right or wrong crossed with accepted or rejected, as columns to be summed."""
    wrong, rejected = 1 - rows.right, 1 - rows.accepted
    return rows.assign(
        wrong=wrong,
        wrong_accepted=wrong * rows.accepted,
        right_rejected=rows.right * rejected,
        right_accepted=rows.right * rows.accepted,
    )


def unread_steps(
    traces: Iterable[Trace], questions: Mapping[tuple[str, str], Question], judge: StepOracle
) -> pd.DataFrame:
    """One row per draft step of the batched traces that was committed and nobody judged: what the oracle says.

    `clean` as in `verified_steps`; `wrong_clean` counts wrong ones where it is so.
    """
    found = (one for trace in traces for one in _placed(trace, questions, judge) if one.step.unread)
    rows = pd.DataFrame([one.place | _told(one.judged) | {"text": one.step.text} for one in found])
    if rows.empty:
        return rows
    wrong, clean = 1 - rows.right, rows.clean.astype(float)
    rows["cluster"] = pd.factorize(rows.benchmark + "/" + rows.group, sort=True)[0]
    return rows.assign(n=1.0, wrong=wrong, clean=clean, wrong_clean=wrong * clean)


def sound_answers(traces: Iterable[Trace], judge: StepOracle) -> set[AnswerKey]:
    """The answers given alone of which every committed step is right."""
    return {AnswerKey.of(trace) for trace in traces if all(judged.right for _, judged in _singly(trace, judge))}


class _Placed(NamedTuple):
    """A committed step, the texts before it, what the oracle says of it, and where it stands, as columns."""

    step: Step
    before: list[str]
    judged: Judgement
    place: dict[str, Any]


def _placed(trace: Trace, questions: Mapping[tuple[str, str], Question], judge: StepOracle) -> Iterator[_Placed]:
    """The steps of a batched trace; none of another."""
    if trace.mode != "batched":
        return
    place = {key: getattr(trace, key) for key in ANSWER}
    place["group"] = questions[trace.benchmark, trace.question].cluster
    clean = True
    for number, (step, before) in enumerate(_with_steps_before(trace)):
        judged = _as_one(trace, step.text, before, judge)
        yield _Placed(step, before, judged, place | {"step": number, "clean": clean})
        clean = clean and judged.right


def _told(judged: Judgement) -> dict[str, Any]:
    return {"right": float(judged.right), "claim": judged.claim}


def _steps(trace: Trace, questions: Mapping[tuple[str, str], Question], judge: StepOracle) -> Iterator[dict[str, Any]]:
    """The verified ones, by what the draft wrote."""
    for step, before, committed, place in _placed(trace, questions, judge):
        if step.verdict is None or step.accepted is None:
            continue
        text = step.text if step.accepted else step.rejected or ""
        yield (
            place
            | _told(_as_one(trace, text, before, judge))
            | {
                "text": text,
                "verdict": step.verdict,
                "expected": nan if step.expected is None else step.expected,
                "accepted": float(step.accepted),
                "own_right": nan if step.accepted else float(committed.right),
            }
        )


def _with_steps_before(trace: Trace) -> Iterator[tuple[Step, list[str]]]:
    """Each committed step with the texts of all single ones before it."""
    before: list[str] = []
    for step in trace.steps:
        yield step, before[:]
        before += single_steps(step.text)


def _each(trace: Trace, text: str, before: list[str], judge: StepOracle) -> list[Judgement]:
    """What the oracle says of each single step of a text."""
    parts = single_steps(text)
    return [judge(trace.benchmark, trace.question, part, before + parts[:place]) for place, part in enumerate(parts)]


def _as_one(trace: Trace, text: str, before: list[str], judge: StepOracle) -> Judgement:
    """What it says of what one verdict was about."""
    judged = _each(trace, text, before, judge)
    return judged[0] if len(judged) == 1 else Judgement(all(one.right for one in judged), SEVERAL)


def _singly(trace: Trace, judge: StepOracle) -> Iterator[tuple[Step, Judgement]]:
    """What it says of each single step of the answer, with what that was committed in."""
    for step, before in _with_steps_before(trace):
        for judged in _each(trace, step.text, before, judge):
            yield step, judged


def weighed(steps: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Adds `weight`: a step weighs what its answer does in the score frame."""
    if steps.empty:
        return steps
    return steps.merge(batched(scores)[[*ANSWER, "weight"]], on=ANSWER, validate="many_to_one")


def reweighed(steps: pd.DataFrame) -> pd.DataFrame:
    """The steps, where each weighs what its answer does among the answers that have some of these."""
    if steps.empty:
        return steps
    asked = steps[ANSWER].drop_duplicates().assign(mode="batched", at_once=0)
    asked = asked.assign(weight=weights(asked))[[*ANSWER, "weight"]]
    return steps.drop(columns="weight").merge(asked, on=ANSWER, validate="many_to_one")


def answers(traces: Iterable[Trace], scores: pd.DataFrame, judge: StepOracle) -> pd.DataFrame:
    """The rows of the score frame that are batched answers of `traces`, with `errors`: their wrong draft steps.

    These are accepted ones and those that nobody read; `unread_errors` counts the latter alone. The answer line is not
    counted: an answer whose every step is right, that one included, is right by definition.
    """
    counts = [
        {key: getattr(trace, key) for key in ANSWER} | _errors(trace, judge)
        for trace in traces
        if trace.mode == "batched"
    ]
    return batched(scores).merge(pd.DataFrame(counts), on=ANSWER, validate="one_to_one")


def _errors(trace: Trace, judge: StepOracle) -> dict[str, int]:
    """Committed draft steps that are wrong, also those accepted unasked as equal to the target's, or unread."""
    kept = [(step, found) for step, found in _singly(trace, judge) if step.accepted or step.unread]
    wrong = [step for step, found in kept if not found.right and found.claim != ANSWER_LINE]
    return {"errors": len(wrong), "unread_errors": sum(step.unread for step in wrong)}
