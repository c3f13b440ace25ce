"""Steps and answers as the micro world's step oracle sees them: the frames behind CPN under the lens.

Only the micro world knows whether a single reasoning step is right, so these frames exist at its scales alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import nan
from typing import Any, NamedTuple

import pandas as pd

from dreamr.records import Question
from dreamr.statistics.frame import KEYS, batched
from dreamr.traces import Step, Trace

ANSWER = [*KEYS, "question"]
ANSWER_LINE = "answer"  # the claim that an answer line makes


class Judgement(NamedTuple):
    """What the oracle says of a step: `claim` is the kind of what it claims, "filler", "repeat" or "unreadable"."""

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


def _steps(trace: Trace, questions: Mapping[tuple[str, str], Question], judge: StepOracle) -> Iterator[dict[str, Any]]:
    if trace.mode != "batched":
        return
    place = {key: getattr(trace, key) for key in ANSWER}
    group = questions[trace.benchmark, trace.question].cluster
    clean = True
    for number, (step, before) in enumerate(_with_steps_before(trace)):
        committed = judge(trace.benchmark, trace.question, step.text, before)
        if step.verdict is not None and step.accepted is not None:
            text = step.text if step.accepted else step.rejected or ""
            judged = judge(trace.benchmark, trace.question, text, before)
            yield place | {
                "group": group,
                "step": number,
                "text": text,
                "verdict": step.verdict,
                "expected": nan if step.expected is None else step.expected,
                "accepted": float(step.accepted),
                "right": float(judged.right),
                "own_right": nan if step.accepted else float(committed.right),
                "claim": judged.claim,
                "clean": clean,
            }
        clean = clean and committed.right


def _with_steps_before(trace: Trace) -> Iterator[tuple[Step, list[str]]]:
    """Each committed step with the texts of those before it."""
    for number, step in enumerate(trace.steps):
        yield step, [earlier.text for earlier in trace.steps[:number]]


def answers(traces: Iterable[Trace], scores: pd.DataFrame, judge: StepOracle) -> pd.DataFrame:
    """The rows of the score frame that are batched answers of `traces`, with `errors`: their wrong accepted steps.

    The answer line is not counted: an answer whose every step is right, that one included, is right by definition.
    """
    counts = [
        {key: getattr(trace, key) for key in ANSWER} | {"errors": _errors(trace, judge)}
        for trace in traces
        if trace.mode == "batched"
    ]
    return batched(scores).merge(pd.DataFrame(counts), on=ANSWER, validate="one_to_one")


def _errors(trace: Trace, judge: StepOracle) -> int:
    """Accepted draft steps that are wrong, also those accepted unasked as equal to the target's."""
    accepted = ((step.text, before) for step, before in _with_steps_before(trace) if step.accepted)
    judgements = [judge(trace.benchmark, trace.question, text, before) for text, before in accepted]
    return sum(not judgement.right and judgement.claim != ANSWER_LINE for judgement in judgements)
