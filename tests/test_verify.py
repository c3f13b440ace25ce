"""Steps and answers as an oracle sees them, by hand, and the command that asks the micro world."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from factories import asked, judged_steps, says_right, scores, small, verified_traces
from micro_sizes import micro_size

from dreamr.cli.verify import main as verify
from dreamr.micro.datasets import write_all
from dreamr.planning.jobs import SummariseJob, VerifyJob
from dreamr.records import write_rows
from dreamr.statistics.frame import ALL, read_table, score_frame
from dreamr.statistics.step_frame import (
    SEVERAL,
    Judgement,
    answers,
    sound_answers,
    unread_steps,
    verified_steps,
    weighed,
)
from dreamr.studies.verification.step_verdicts import unread
from dreamr.traces import Step

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}


def test_every_verified_step_is_judged_by_what_the_draft_wrote() -> None:
    steps = judged_steps()
    own = (steps.target == PAIR["target"]) & (steps.draft == PAIR["draft"]) & (steps.method == "dreamr")
    assert own.sum() == 80 * 3
    assert steps.text.str.match("right|wrong").all()  # never the target's replacement


# One answer by hand: a right step, a wrong one that is accepted, its consequence, and a right step that is rejected.
BY_HAND = (
    Step(text="right 1", writer="draft", verdict=0.9, accepted=True),
    Step(text="wrong 2", writer="draft", verdict=0.8, accepted=True),
    Step(text="own, wrong", writer="target", verdict=0.1, accepted=False, rejected="wrong 3"),
    Step(text="own, right", writer="target", verdict=None, accepted=False, rejected=""),  # a blank draft: never asked
    Step(text="own, wrong", writer="target", verdict=0.2, accepted=False, rejected="right 4"),
)


def test_what_stands_behind_a_wrong_step_is_told_apart() -> None:
    traces = [verified_traces(small())[0].model_copy(update={"steps": BY_HAND})]
    found = verified_steps(traces, asked(small()), says_right)
    assert found.clean.tolist() == [True, True, False, False]
    assert found.right.tolist() == [1, 0, 0, 1]
    assert found.own_right.fillna(-1).tolist() == [-1, -1, 0, 0]


def test_a_wrong_answer_line_is_no_error_before_it() -> None:
    """By hand: a wrong step, accepted unasked as equal to the target's, one that the target wrote, and the answer."""
    steps = (
        Step(text="wrong 1", writer="draft", verdict=None, accepted=True),
        Step(text="own, wrong", writer="target", verdict=0.1, accepted=False, rejected="wrong 2"),
        Step(text="wrong answer", writer="draft", verdict=0.9, accepted=True),
    )

    def judge(benchmark: str, question: str, step: str, before: Sequence[str]) -> Judgement:
        return Judgement(False, "answer" if step.endswith("answer") else "read")

    traces = [verified_traces(small())[0].model_copy(update={"steps": steps})]
    assert answers(traces, score_frame(scores(small())), judge).errors.tolist() == [1]


# Steps that were judged two by two: a right pair, one whose second step is wrong, and a rejected one.
TWO_BY_TWO = (
    Step(text="right 1\n\nright 2", writer="draft", verdict=0.9, accepted=True),
    Step(text="right 3\n\nwrong 4", writer="draft", verdict=0.8, accepted=True),
    Step(text="own, wrong\n\nright 6", writer="target", verdict=0.1, accepted=False, rejected="right 5\n\nwrong 6"),
    Step(text="wrong answer", writer="draft", verdict=0.9, accepted=True),
)


def test_several_steps_under_one_verdict_are_right_if_each_is_and_errors_are_single_steps() -> None:
    traces = [verified_traces(small())[0].model_copy(update={"steps": TWO_BY_TWO})]
    seen: list[tuple[str, Sequence[str]]] = []

    def judge(benchmark: str, question: str, step: str, before: Sequence[str]) -> Judgement:
        seen.append((step, before))
        return Judgement(step.startswith("right"), "answer" if step.endswith("answer") else "read")

    found = verified_steps(traces, asked(small()), judge)
    assert found.right.tolist() == [1, 0, 0, 0]
    assert found.claim.tolist() == [SEVERAL, SEVERAL, SEVERAL, "answer"]
    assert found.clean.tolist() == [True, True, False, False]
    assert found.own_right.fillna(-1).tolist() == [-1, -1, 0, -1]
    assert ("wrong 6", ["right 1", "right 2", "right 3", "wrong 4", "right 5"]) in seen
    assert answers(traces, score_frame(scores(small())), judge).errors.tolist() == [1]
    assert sound_answers(traces, judge) == set()
    right = [traces[0].model_copy(update={"steps": TWO_BY_TWO[:1]})]
    assert len(sound_answers(right, judge)) == 1


# Two steps that a loop let pass, an accepted one, and the target's own.
LET_PASS = (
    Step(text="wrong 1", writer="draft"),
    Step(text="right 2", writer="draft"),
    Step(text="wrong 3", writer="draft", verdict=0.9, accepted=True),
    Step(text="own, wrong", writer="target"),
)


def test_a_step_that_nobody_judged_is_told_apart_and_a_wrong_one_counts() -> None:
    traces = [verified_traces(small())[0].model_copy(update={"steps": LET_PASS})]
    assert [step.unread for step in LET_PASS] == [True, True, False, False]
    found = unread_steps(traces, asked(small()), says_right)
    assert (found.text.tolist(), found.wrong.tolist(), found.clean.tolist()) == (["wrong 1", "right 2"], [1, 0], [1, 0])
    assert verified_steps(traces, asked(small()), says_right).text.tolist() == ["wrong 3"]
    scored = score_frame(scores(small()))
    counted = answers(traces, scored, says_right)
    assert (counted.errors.tolist(), counted.unread_errors.tolist()) == ([2], [1])
    table = unread(weighed(found, scored), SummariseJob.of(small()))
    assert table.wrong.tolist()[0] == 0.5 and table.wrong_clean.tolist()[0] == 1.0
    assert unread(found.iloc[:0], SummariseJob.of(small())).empty


@pytest.mark.parametrize("judged", [4, 2], ids=["all", "half of the benchmarks are not generated"])
def test_the_command_asks_the_micro_world_of_what_it_made(tmp_path: Path, judged: int) -> None:
    from dreamr.data.loading import load_questions

    write_all(tmp_path / "micro", micro_size(1, 10, 10))
    settings = small()
    names = list(settings.asked)
    known = {}
    for name in names:
        spec = settings.benchmarks[name].model_copy(update={"path": str(tmp_path / "micro" / name)})
        known[name] = load_questions(name, spec, tmp_path / "data")
        write_rows(tmp_path / "data" / f"{name}.jsonl", known[name])
    traces = [
        trace.model_copy(update={"question": known[trace.benchmark][int(trace.question[1:])].id})
        for trace in verified_traces(settings)
        if int(trace.question[1:]) < 6
    ]
    write_rows(tmp_path / "traces.jsonl", traces)
    where = {"data": tmp_path / "data", "truth": tmp_path / "micro", "out": tmp_path / "out"}
    names = {(trace.benchmark, trace.question) for trace in traces}
    ids = {(trace.benchmark, f"q{i}"): known[trace.benchmark][i].id for trace in traces for i in range(6)}
    graded = [
        score.model_copy(update={"question": ids[score.benchmark, score.question]})
        for score in scores(settings)
        if (score.benchmark, ids.get((score.benchmark, score.question))) in names
    ]
    write_rows(tmp_path / "scores.jsonl", graded)
    given = {"traces": (tmp_path / "traces.jsonl",), "scores": (tmp_path / "scores.jsonl",)}
    spec = VerifyJob(benchmarks=tuple(settings.asked)[:judged], tables=SummariseJob.of(settings))
    for name in settings.asked[judged:]:
        (tmp_path / "micro" / name / "truth.jsonl").unlink()
    verify(spec=spec.model_dump_json(), **given, **where)
    table = read_table(tmp_path / "out" / "verification.csv")
    assert (table.right == 0).all()  # no invented text makes a claim of the micro world
    assert {*table.benchmark} - {ALL} == {*spec.benchmarks}
    shown = [json.loads(line) for line in (tmp_path / "out" / "gallery.jsonl").read_text().splitlines()]
    assert shown and all(one["images"] and one["kind"] == "wrong, accepted" for one in shown)
    assert {one["benchmark"] for one in shown} <= {*spec.benchmarks}
