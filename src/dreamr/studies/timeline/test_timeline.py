"""Which question the timeline shows, and that its bars are the requests."""

from pathlib import Path

from factories import small, traces

from dreamr.config import NO_DRAFT
from dreamr.planning.jobs import SummariseJob
from dreamr.records import Question, write_rows
from dreamr.statistics.examples import AnswerKey
from dreamr.studies.timeline.choice import side_by_side
from dreamr.studies.timeline.figures import FEW, timeline, timeline_all
from dreamr.studies.timeline.tables import example

JOB = SummariseJob.of(small())


def question(name: str) -> Question:
    """One without a picture."""
    return Question(id=name, dataset="any", cluster=name, prompt="Which?", images=(), gold=("4",))


def test_bars_are_the_requests_of_one_question_under_each_method(tmp_path: Path) -> None:
    rows = traces(small())
    write_rows(tmp_path / "traces.jsonl", rows)
    chart = timeline_all((tmp_path / "traces.jsonl",), None, JOB)
    assert chart and len(chart.data) == sum(len(row.spans) for row in rows)
    assert {*chart.data.method} == {row.method for row in rows}
    few = timeline((tmp_path / "traces.jsonl",), None, JOB)
    assert few and {*few.data.method} == {*FEW, JOB.reference}
    assert timeline((), None, JOB) is None


def test_the_question_is_of_middling_speed_where_a_step_was_taken_and_one_replaced() -> None:
    usual = traces(small())  # of two steps, of which one was taken
    telling = [
        row.model_copy(update={"question": name, "baseline_seconds": seconds})
        for name, seconds in (("slow", 1.0), ("fast", 9.0), ("middling", 5.0))
        for row in usual
    ]
    alone = [row.model_copy(update={"question": "alone"}) for row in usual if row.method == JOB.reference]
    taken = [row.model_copy(update={"question": "taken", "accepted": 2}) for row in usual]
    shown = side_by_side([*taken, *alone, *telling], JOB.pairs, JOB.reference)
    assert {row.question for row in shown} == {"middling"}
    assert {row.method for row in shown} == {row.method for row in usual}
    other = [row for row in usual if row.draft == NO_DRAFT]
    assert side_by_side(other, JOB.pairs, JOB.reference) == []


def test_a_question_whose_answer_is_not_the_other_methods_comes_last() -> None:
    usual = traces(small())
    last = usual[0].steps[-1]
    same = [row.model_copy(update={"question": "same", "steps": (*row.steps[:-1], last)}) for row in usual]
    wrong = last.model_copy(update={"text": "Answer: another"})
    other = [
        row.model_copy(update={"question": "other"} | ({"steps": (wrong,)} if row.method == JOB.reference else {}))
        for row in same
    ]
    shown = side_by_side([*other, *same], JOB.pairs, JOB.reference)
    assert {row.question for row in shown} == {"same"}


def test_a_question_that_the_reference_answered_right_comes_first_and_a_wrong_answer_is_told(tmp_path: Path) -> None:
    rows = [row.model_copy(update={"question": name}) for name in ("a", "b") for row in traces(small())]
    ours = {row.question: AnswerKey.of(row) for row in rows if row.method == JOB.reference}
    for right in ("a", "b"):
        shown = side_by_side(rows, JOB.pairs, JOB.reference, {ours[right]})
        assert {row.question for row in shown} == {right}
        shown = side_by_side(rows, JOB.pairs, JOB.reference, {*ours.values()}, {ours[right]})
        assert {row.question for row in shown} == {right}, "by right steps alone"
    questions = {(key.benchmark, name): question(name) for name, key in ours.items()}
    (told,) = example(rows, {ours["a"]}, (), questions, tmp_path, JOB)
    assert (told.question, told.right) == ("a", True)
    (told,) = example(rows, (), (), questions, tmp_path, JOB)
    assert not told.right


def test_the_figure_is_of_the_question_that_is_told_in_words(tmp_path: Path) -> None:
    rows = [row.model_copy(update={"question": name}) for name in ("a", "b") for row in traces(small())]
    write_rows(tmp_path / "traces.jsonl", rows)
    ours = {row.question: AnswerKey.of(row) for row in rows if row.method == JOB.reference}
    for name, key in ours.items():
        told = example(rows, {key}, (), {(key.benchmark, name): question(name)}, tmp_path, JOB)
        write_rows(tmp_path / "example.jsonl", told)
        chart = timeline((tmp_path / "traces.jsonl",), tmp_path, JOB)
        assert chart and f"question {name} of" in chart.alt


def test_each_panel_names_the_time_of_the_target_beside_it(tmp_path: Path) -> None:
    write_rows(tmp_path / "traces.jsonl", traces(small()))
    chart = timeline((tmp_path / "traces.jsonl",), None, JOB)
    titles = [axes.get_title(loc="left") for axes in chart.figure.axes] if chart else []
    assert len(titles) == 1 + len(FEW)
    assert "right beside" not in titles[0]  # the target's own
    assert all("target alone right beside it" in title for title in titles[1:])
