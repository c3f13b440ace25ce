"""From traces to scores."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamr.cli.grade import main
from dreamr.errors import UserError
from dreamr.records import Question, read_rows, write_rows
from dreamr.scores import Score
from dreamr.scoring.grading import scored
from dreamr.spans import busy_seconds
from dreamr.traces import Span, Step, Trace

QUESTION = Question(
    id="7",
    dataset="mini",
    prompt="<image>Which?",
    images=("images/1.png",),
    options=("12", "15"),
    gold=("B",),
    cluster="c7",
    version="rotation 0",
    category="reading",
    origin="scienceqa",
)


def trace(**changes: Any) -> Trace:
    fields: dict[str, Any] = {
        "question": "7", "benchmark": "mini", "target": "t", "draft": "d", "method": "dreamr", "mode": "batched",
        "digest": "0", "text": "So.\n\nAnswer: B", "steps": (), "finish": "answer", "drafted": 3, "verified": 2,
        "accepted": 1, "tokens": 9, "tokens_by_target": 10,
        "draft_tokens": 8, "target_tokens": 7, "seconds": 1.5, "device": "a machine",
    }  # fmt: skip
    return Trace(**(fields | changes))


def span(engine: str, start: float, end: float) -> Span:
    return Span(engine=engine, kind="draft", step=0, start=start, end=end)


def test_rows_keep_their_order_and_carry_question_and_verdict(tmp_path: Path) -> None:
    write_rows(tmp_path / "mini.jsonl", [QUESTION])
    traces = [trace(), trace(mode="alone", baseline_seconds=2.0), trace(method="draft_only", text="Answer: A")]
    write_rows(tmp_path / "traces.jsonl", traces)
    paths = {"traces": tmp_path / "traces.jsonl", "data": tmp_path, "out": tmp_path / "scores.jsonl"}
    main(**paths)
    rows = list(read_rows(paths["out"], Score))
    assert [(row.mode, row.method, row.parsed, row.correct) for row in rows] == [
        ("batched", "dreamr", "B", True),
        ("alone", "dreamr", "B", True),
        ("batched", "draft_only", "A", False),
    ]
    assert {(row.cluster, row.version, row.category, row.origin) for row in rows} == {
        ("c7", "rotation 0", "reading", "scienceqa")
    }
    assert [row.same_text for row in rows] == [None, True, None]
    assert (rows[1].baseline_seconds, rows[1].device, rows[1].target_tokens) == (2.0, "a machine", 7)


def test_same_text_is_unknown_without_a_batched_run() -> None:
    questions = {("mini", "7"): QUESTION}
    other = trace(method="specreason", text="other")
    assert [row.same_text for row in scored([trace(mode="alone"), other], questions)] == [None, None]
    assert [row.same_text for row in scored([trace(mode="alone"), trace(text="other")], questions)] == [False, None]


def test_a_batched_text_is_held_against_that_of_the_target_alone_in_the_same_job() -> None:
    questions = {("mini", "7"): QUESTION}
    target = trace(method="target_only", draft="none")
    same, other = trace(method="ngram", draft="none"), trace(method="ngram", draft="none", text="Answer: A")
    timed = trace(method="ngram", draft="none", mode="alone")
    assert [row.target_text for row in scored([target, same, timed], questions)] == [True, True, None]
    assert [row.target_text for row in scored([target, other], questions)] == [True, False]
    assert [row.target_text for row in scored([same], questions)] == [None], "asked in another job, if at all"
    assert [row.target_text for row in scored([target.model_copy(update={"target": "u"}), same], questions)][1] is None


def test_harness_verdict_stands_beside_ours() -> None:
    question = QUESTION.model_copy(update={"dataset": "mmmu"})
    rows = scored([trace(text="**B**"), trace(text="The answer is (A)", method="x")], {("mini", "7"): question})
    assert [(row.correct, row.harness_correct) for row in rows] == [(True, None), (False, False)]
    (row,) = scored([trace()], {("mini", "7"): QUESTION})
    assert row.harness_correct is None


def test_a_thinking_block_that_was_cut_answers_nothing() -> None:
    """The template opened it, so the text holds no opening tag; "option:" within it is a thought."""
    marked = "So it could be option: A. Or"
    cut, ended, closed = scored(
        [
            trace(text=marked, finish="budget", thinking=True, mode="alone"),
            trace(text="So it is A.\nAnswer: A", finish="answer", thinking=True, method="ended"),
            trace(text=f"{marked}</think>\n\nIt is option: A. And", finish="budget", thinking=True, method="closed"),
        ],
        {("mini", "7"): QUESTION},
    )
    assert (cut.unresolved, ended.parsed, closed.parsed) == (True, "A", "A")


def test_only_a_run_that_ended_at_its_answer_has_a_writer_of_it() -> None:
    steps = (Step(text="12 is A.", writer="draft"),)
    finishes = ("answer", "end", "budget")
    rows = [trace(text="12 is A.", steps=steps, finish=finish, method=finish) for finish in finishes]
    assert [row.answer_writer for row in scored(rows, {("mini", "7"): QUESTION})] == ["draft", None, None]


def test_cut_text_is_truncated_and_unresolved_without_a_marked_answer() -> None:
    (row,) = scored([trace(text="12 is A. 15 is B.", finish="budget")], {("mini", "7"): QUESTION})
    assert (row.truncated, row.unresolved, row.correct) == (True, True, False)


@pytest.mark.parametrize(
    ("traces", "message"),
    [([trace(question="8")], "mini names the unknown question '8'"), ([trace(), trace()], "twice.*dreamr.*'7'")],
)
def test_traces_that_do_not_fit_stop_the_job(traces: list[Trace], message: str) -> None:
    with pytest.raises(UserError, match=message):
        scored(traces, {("mini", "7"): QUESTION})


def test_missing_data_set_stops_the_job(tmp_path: Path) -> None:
    write_rows(tmp_path / "t.jsonl", [trace()])
    with pytest.raises(SystemExit, match=r"mini\.jsonl: no such file; expected Question rows"):
        main(traces=tmp_path / "t.jsonl", data=tmp_path, out=tmp_path / "s.jsonl")


def test_busy_seconds_count_overlaps_once() -> None:
    spans = [span("draft", 0, 2), span("target", 1, 4), span("target", 2, 3), span("target", 5, 6)]
    assert busy_seconds(spans, "target") == 4
    assert busy_seconds(spans, "draft") == 2
    assert busy_seconds([], "draft") == 0


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=8))
def test_busy_seconds_equal_the_slow_count(lengths: list[tuple[int, int]]) -> None:
    covered = {second for start, length in lengths for second in range(start, start + length)}
    assert busy_seconds([span("target", start, start + length) for start, length in lengths], "target") == len(covered)


def test_a_refused_answer_is_wrong_whatever_there_is_of_it() -> None:
    why = {"finish": "refused", "refused_by": "big", "refusal": "context_tokens (1024) is full: raise it"}
    rows = scored([trace(**why), trace(mode="alone", **why)], {("mini", "7"): QUESTION})
    assert scored([trace()], {("mini", "7"): QUESTION})[0].correct, "it would be right by what is there"
    for row in rows:
        assert (row.correct, row.parsed, row.truncated, row.harness_correct) == (False, None, False, None)
        assert (row.refused_by, row.refusal, row.same_text) == ("big", why["refusal"], None)


def test_what_the_target_wrote_and_what_later_steps_took_is_summed() -> None:
    steps = (
        Step(text="a", writer="draft", verdict=0.9, accepted=True, tokens=4),
        Step(text="b", writer="target", verdict=0.1, accepted=False, rejected="c", tokens=7),
        Step(text="d\n\ne", writer="target", tokens=6),  # two under one verdict
    )
    work = [("draft", 0, 0.5, False), ("draft", 1, 0.1, False), ("draft", 2, 0.2, True), ("verify", 1, 0.3, False)]
    work += [("target", 1, 1.0, False), ("target", 2, 3.0, False), ("verify", 0, 9.0, False)]
    spans = tuple(
        Span(engine="draft" if kind == "draft" else "target", kind=kind, step=step, start=0, end=end, cancelled=cut)
        for kind, step, end, cut in work
    )
    (found,) = scored([trace(steps=steps, spans=spans)], {("mini", "7"): QUESTION})
    assert (found.steps, found.own_tokens, found.tokens_by_target) == (4, 13, 10)
    assert (found.later_drafts, found.later_drafts_seconds) == (1, 0.1), "neither the first step nor a dropped one"
    assert (found.later_owns, found.later_owns_seconds) == (2, 4.0)
    assert (found.later_verdicts, found.later_verdicts_seconds) == (1, 0.3)
