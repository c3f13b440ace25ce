"""Answers by wrong accepted steps, against what the traces say."""

import pytest
from factories import says_right, scores, small, verified_traces

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, score_frame
from dreamr.statistics.step_frame import answers
from dreamr.studies.errors.tables import answers_by_errors

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}


def test_answers_by_errors_add_up_to_the_change_of_accuracy() -> None:
    traces = verified_traces(small())
    rows = score_frame(scores(small()))
    table = answers_by_errors(answers(traces, rows, says_right), SummariseJob.of(small()))
    found = table[(table.target == PAIR["target"]) & (table.draft == PAIR["draft"]) & (table.method == "dreamr")]
    found = found.set_index("errors")
    wrong = {}
    for trace in traces:
        if (trace.target, trace.draft, trace.method) == (*PAIR.values(), "dreamr"):
            accepted = [step.text for step in trace.steps if step.writer == "draft"]
            wrong[trace.question + trace.benchmark] = sum(text.startswith("wrong") for text in accepted)
    own = rows[(rows.target == PAIR["target"]) & (rows.draft == PAIR["draft"]) & (rows.method == "dreamr")]
    own = own[own["mode"] == "batched"].assign(errors=lambda r: (r.question + r.benchmark).map(wrong))
    for name, chosen in {"0": own.errors == 0, "1": own.errors == 1, "3 or more": own.errors >= 3}.items():
        assert found.share[name] == pytest.approx(chosen.mean())
        assert found.accuracy[name] == pytest.approx(own[chosen].correct.mean(), nan_ok=True)
        assert found.target_accuracy[name] == pytest.approx(own[chosen].target_correct.mean(), nan_ok=True)
    change = own.correct.mean() - own.target_correct.mean()
    assert found.contribution[["0", "1", "2", "3 or more"]].sum() == pytest.approx(change)
    assert found.contribution[["0", "1 or more"]].sum() == pytest.approx(found.contribution[ALL])
