"""What notebooks get: frames that hold every row of the files, and answers that are those of the traces."""

from pathlib import Path

import pandas as pd
import pytest

from dreamr.errors import UserError
from dreamr.notebook import Results, Session
from dreamr.prompts import question_prompt
from dreamr.records import IMAGE_MARK, Question, read_rows
from dreamr.traces import Trace

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def files(smoke: Path) -> tuple[str, str]:
    return "config/smoke.yaml", str(smoke.parent / "here.yaml")


@pytest.fixture(scope="module")
def traces(smoke: Path) -> list[Trace]:
    return [trace for path in sorted((smoke / "traces").rglob("*.jsonl")) for trace in read_rows(path, Trace)]


@pytest.mark.slow
def test_frames_hold_every_row(files: tuple[str, str], traces: list[Trace]) -> None:
    results = Results(*files, project=ROOT)
    frame, steps = results.traces(), results.steps()
    assert list(frame.text) == [trace.text for trace in traces]
    assert len(steps) == sum(len(trace.steps) for trace in traces)
    assert len(results.spans()) == sum(len(trace.spans) for trace in traces)
    answer = ["target", "draft", "method", "mode", "benchmark", "question"]
    accepted = steps[steps.accepted.eq(True)].groupby(answer).size()
    told = frame[frame.accepted > 0].set_index(answer).accepted.sort_index()
    pd.testing.assert_series_equal(accepted.sort_index(), told, check_names=False)
    scores = results.scores()
    assert len(scores) == len(frame) and {"correct", "parsed"} <= {*scores}


@pytest.mark.slow
def test_a_table_is_that_of_the_page_and_an_unknown_one_is_told_with_those_that_there_are(
    files: tuple[str, str],
) -> None:
    results = Results(*files, project=ROOT)
    assert {"accuracy_change", "accuracy_change_low"} <= {*results.table("accuracy")}
    with pytest.raises(UserError, match=r"'accurcy': no such table in .*; there are: .*accuracy"):
        results.table("accurcy")


@pytest.mark.slow
def test_a_timeline_shows_the_requests_of_one_question(files: tuple[str, str], traces: list[Trace]) -> None:
    results = Results(*files, project=ROOT)
    assert {*results.timeline().data.method} >= {"specreason", "dreamr"}
    wanted = next(row for row in traces if row.method == "dreamr" and row.mode == "alone")
    chart = results.timeline(wanted.benchmark, wanted.question, ["dreamr"])
    assert sorted(chart.data.start) == sorted(span.start for span in wanted.spans)
    assert chart._repr_svg_().startswith("<svg")
    with pytest.raises(UserError, match=r"no timed answer with .*'nowhere'.*; timed: \w+ \S+"):
        results.timeline("nowhere")


def test_results_that_are_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "here.yaml").write_text(f"pathvars: {{results: {tmp_path}}}")
    with pytest.raises(UserError, match="traces: no file of answers; run the workflow"):
        Results(tmp_path / "here.yaml", project=ROOT).traces()


@pytest.mark.slow
def test_a_session_answers_as_the_experiment_did(files: tuple[str, str], traces: list[Trace], smoke: Path) -> None:
    wanted = next(row for row in traces if row.method == "dreamr" and row.mode == "batched" and row.accepted)
    asked = {row.id: row for row in read_rows(smoke / f"data/{wanted.benchmark}.jsonl", Question)}[wanted.question]
    prompt = question_prompt(asked, str(smoke / "data"))
    with Session(*files, methods=["target_only", "dreamr"], project=ROOT) as session:
        found = session.answer(prompt.user.replace(IMAGE_MARK, ""), image=prompt.images, method="dreamr")
        other = session.answer("What is 3 + 4?")
        with pytest.raises(UserError, match="'plainly' is not served; there are: target-only, dreamr"):
            session.answer("What is 3 + 4?", method="plainly")
        with pytest.raises(UserError, match="no such image"):
            session.answer("What is here?", image="nowhere.png")
        with pytest.raises(UserError, match=r"README\.md: expected an image"):
            session.answer("What is here?", image=ROOT / "README.md")
        session._server.terminate()
        session._server.wait(60)
        with pytest.raises(UserError, match=r"the engines have ended .*serve\.log"):
            session.answer("What is 3 + 4?")
    assert (found.text, found.accepted) == (wanted.text, wanted.accepted)
    assert list(found.steps.text) == [step.text for step in wanted.steps]
    assert other.method == "target_only" and {*other.steps.writer} == {"target"}


def test_a_session_that_cannot_be_had_says_why() -> None:
    with pytest.raises(UserError, match="'plainly': no such method; there are: "):
        Session("config/smoke.yaml", methods=["plainly"], project=ROOT)
    with pytest.raises(UserError, match=r"nowhere\.yaml: no such configuration file"):
        Session("nowhere.yaml", project=ROOT)
