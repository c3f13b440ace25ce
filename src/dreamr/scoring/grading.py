"""One score for each trace: the scorer's verdict beside what the trace measured."""

from collections import Counter
from collections.abc import Mapping, Sequence

from dreamr.errors import UserError
from dreamr.records import Question
from dreamr.scores import Score
from dreamr.scoring import lmms_eval
from dreamr.scoring.verdicts import trace_grade
from dreamr.spans import busy_seconds, later_steps
from dreamr.steps import single_steps
from dreamr.traces import Answered, Trace

CellKey = tuple[str, ...]
TARGET_ONLY = "target_only"  # the method


def scored(traces: Sequence[Trace], questions: Mapping[tuple[str, str], Question]) -> list[Score]:
    """One score a trace.

    `same_text` compares a trace of mode "alone" with the batched one of its cell and question, `target_text` a batched
    one with that of the target alone.
    """
    twice = [key for key, count in Counter(cell(trace) for trace in traces).items() if count > 1]
    if twice:
        raise UserError(f"traces hold one cell and question twice: {twice[0]}")
    for trace in traces:
        if (trace.benchmark, trace.question) not in questions:
            raise UserError(f"a trace of {trace.benchmark} names the unknown question {trace.question!r}")
    batched = [trace for trace in traces if trace.mode == "batched" and not trace.refusal]
    own = {cell(trace)[:-2]: trace.text for trace in batched}
    target = {place(trace): trace.text for trace in batched if trace.method == TARGET_ONLY}
    rows = ((one, questions[one.benchmark, one.question]) for one in traces)
    return [score(one, asked, own.get(cell(one)[:-2]), target.get(place(one))) for one, asked in rows]


def place(trace: Trace) -> CellKey:
    """The question of a target, whoever answers it."""
    return trace.target, trace.benchmark, trace.question


def cell(trace: Trace) -> CellKey:
    """What a trace is one of: a cell, its question and mode, and how many were under way at once."""
    at_once = str(trace.load.at_once) if trace.load else ""
    return trace.target, trace.draft, trace.method, trace.benchmark, trace.question, trace.mode, at_once


def score(trace: Trace, question: Question, batched_text: str | None, target_text: str | None = None) -> Score:
    """The score of one trace. Its text is held against the batched one of its cell, and against the target's alone."""
    verdict = trace_grade(trace, question)
    harness = None if trace.refusal else lmms_eval.grade(question, trace.text).correct
    drafts, owns, verdicts = (later_steps(trace.spans, kind) for kind in ("draft", "target", "verify"))
    alone = trace.mode == "alone" and batched_text is not None and not trace.refusal
    beside = trace.mode == "batched" and target_text is not None and not trace.refusal
    return Score(
        **{name: getattr(trace, name) for name in Answered.model_fields},
        cluster=question.cluster,
        version=question.version,
        category=question.category,
        origin=question.origin,
        parsed=verdict.parsed,
        correct=verdict.correct,
        unresolved=verdict.unresolved,
        harness_correct=harness,
        truncated=trace.finish == "budget",
        same_text=trace.text == batched_text if alone else None,
        target_text=trace.text == target_text if beside else None,
        draft_busy=busy_seconds(trace.spans, "draft"),
        target_busy=busy_seconds(trace.spans, "target"),
        answer_writer=trace.steps[-1].writer if trace.steps and trace.finish == "answer" else None,
        steps=sum(len(single_steps(step.text)) for step in trace.steps),
        unread=sum(step.unread for step in trace.steps),
        own_tokens=sum(step.tokens for step in trace.steps if step.writer == "target"),
        later_drafts=drafts[0],
        later_drafts_seconds=drafts[1],
        later_owns=owns[0],
        later_owns_seconds=owns[1],
        later_verdicts=verdicts[0],
        later_verdicts_seconds=verdicts[1],
    )
