"""Both answers to whether the accuracy is kept, from invented answers whose losses are known."""

from math import isnan, sqrt
from statistics import variance

import numpy as np
import pandas as pd
import pytest
from factories import config, scores
from sentences import said
from summarised import line

from dreamr.config import NO_DRAFT
from dreamr.planning.jobs import SummariseJob
from dreamr.scores import Score
from dreamr.statistics.frame import ALL, score_frame
from dreamr.statistics.intervals import Interval, p_of_interval
from dreamr.statistics.power import non_inferiority_power
from dreamr.studies.accuracy.tables import accuracy
from dreamr.studies.margin.figures import margin as drawn
from dreamr.studies.margin.tables import margin

JOB = SummariseJob.of(config())
PROBLEMS = 400
# Wrong answers of 400 of each training, by draft; the target alone is right everywhere.
WRONG = {"q3vl-2l": (0, 20), "q3vl-3l": (4, 8), "r4b-2l": (0, 4), "mimo-3l": (8, 20)}
WHOLE = {"target": ALL, "draft": ALL, "benchmark": ALL}
SINGLE = dict(zip(("target", "draft"), JOB.pairs[0], strict=True)) | {"benchmark": ALL}
ONE: Score = scores(config(), size=20)[0].model_copy(update={"benchmark": "mmmu", "refusal": None})


def answers(target: str, draft: str, method: str, wrong: int, replicate: int = 0) -> list[Score]:
    rng = np.random.default_rng([len(draft), wrong, replicate])
    lost = {*rng.permutation(PROBLEMS)[:wrong].tolist()}
    cell = {"target": target, "draft": draft, "method": method, "replicate": replicate}
    return [
        ONE.model_copy(update=cell | {"question": str(i), "cluster": str(i), "correct": i not in lost})
        for i in range(PROBLEMS)
    ]


def rows(method: str = "dreamr", wrong: dict[str, tuple[int, ...]] = WRONG) -> list[Score]:
    targets = dict.fromkeys(target for target, _ in JOB.pairs)
    found = [one for target in targets for one in answers(target, NO_DRAFT, "target_only", 0)]
    for target, draft in JOB.pairs:
        for replicate, number in enumerate(wrong[draft]):
            found += answers(target, draft, method, number, replicate)
    return found


def tables(given: list[Score]) -> dict[str, pd.DataFrame]:
    frame = score_frame(given)
    before = {"accuracy": accuracy(frame, JOB)}
    return before | {"margin": margin(frame, before, JOB)}


@pytest.fixture(scope="module")
def both() -> dict[str, pd.DataFrame]:
    return tables(rows())


def test_two_questions_have_one_number_and_two_intervals(both: dict[str, pd.DataFrame]) -> None:
    found = line(both["margin"], **WHOLE, method="dreamr")
    lost = sum(map(sum, WRONG.values())) / 8 / PROBLEMS
    assert [found.change_these, found.change_such] == pytest.approx([-lost] * 2) and lost == 0.02
    assert (found.kept_these, found.kept_such) == ("kept", "undecided"), "another training may be as bad as some are"
    assert found.change_such_low < -JOB.statistics.margin < found.change_these_low
    assert (found.n, found.clusters, found.trainings, found.over) == (16 * PROBLEMS, PROBLEMS, 16, "questions")


def test_the_second_interval_is_that_of_the_table_of_accuracy(both: dict[str, pd.DataFrame]) -> None:
    usual, found = (line(both[name], **WHOLE, method="dreamr") for name in ("accuracy", "margin"))
    assert usual.over == "questions and trainings"
    assert found[["change_such_low", "change_such_high"]].tolist() == pytest.approx(
        usual[["accuracy_change_low", "accuracy_change_high"]].tolist()
    )


@pytest.mark.parametrize("most", [400, 1])
def test_without_a_trained_draft_there_is_the_first_answer_alone_and_it_is_the_usual_one(most: int) -> None:
    """With one lost question as well, where limits are exact."""
    made = tables(rows("dreamr_ns", {draft: (min(wrong[0], most),) for draft, wrong in WRONG.items()}))
    usual, found = (line(made[name], **WHOLE, method="dreamr_ns") for name in ("accuracy", "margin"))
    assert found[["change_these_low", "change_these_high"]].tolist() == pytest.approx(
        usual[["accuracy_change_low", "accuracy_change_high"]].tolist()
    )
    assert found.kept_these == "kept" and found.kept_such is None and isnan(found.p_kept_such)
    assert isnan(found.change_such_low) and isnan(found.training_sd)


def test_drafts_trained_once_each_have_a_second_answer_over_all_pairs_alone() -> None:
    made = tables(rows("dreamr", {draft: wrong[:1] for draft, wrong in WRONG.items()}))
    whole, single = (line(made["margin"], **place, method="dreamr") for place in (WHOLE, SINGLE))
    assert whole.kept_such and not isnan(whole.change_such_low) and pd.isna(single.kept_such)
    text = said("studies/margin/section.html.j2", config(), made)
    assert "nor on a pair whose draft was trained once; over all pairs, drafts trained once each have one" in text


@pytest.mark.parametrize(("wrong", "expected"), [(2, "kept"), (12, "undecided"), (40, "not kept")])
def test_verdict_and_both_p_agree(wrong: int, expected: str) -> None:
    found = line(tables(rows("dreamr_ns", dict.fromkeys(WRONG, (wrong,))))["margin"], **WHOLE, method="dreamr_ns")
    assert found.kept_these == expected and found.p_kept_these + found.p_lost_these == pytest.approx(1)
    level = (1 - JOB.statistics.confidence) / 2
    assert (found.p_kept_these <= level) == (expected == "kept")
    assert (found.p_lost_these <= level) == (expected == "not kept")


def test_the_p_over_trainings_has_their_degrees_of_freedom() -> None:
    """With four drafts, a margin that lies beyond the interval is less surely kept than by a normal one."""
    wide = JOB.model_copy(update={"statistics": JOB.statistics.model_copy(update={"margin": 0.08})})
    found = line(margin(score_frame(rows()), {}, wide), **WHOLE, method="dreamr")
    such = Interval(*(found[f"change_such{end}"] for end in ("", "_low", "_high")))
    normal = p_of_interval(such, -0.08, JOB.statistics.confidence) / 2
    assert found.kept_such == "kept" and 0.025 > found.p_kept_such > 2 * normal


def test_how_much_trainings_of_a_pair_differ_is_told_apart(both: dict[str, pd.DataFrame]) -> None:
    each = {draft: variance(number / PROBLEMS for number in wrong) for draft, wrong in WRONG.items()}
    target, _ = JOB.pairs[0]
    for draft, expected in each.items():
        found = line(both["margin"], target=target, draft=draft, method="dreamr")
        assert found.training_sd == pytest.approx(sqrt(expected))
    found = line(both["margin"], **WHOLE, method="dreamr")
    assert found.training_sd == pytest.approx(sqrt(sum(each.values()) / 4))


def test_power_is_the_plans(both: dict[str, pd.DataFrame]) -> None:
    spread = line(both["accuracy"], **WHOLE, method="dreamr").spread
    found = line(both["margin"], **WHOLE, method="dreamr")
    assert found.power_kept == pytest.approx(non_inferiority_power(PROBLEMS, spread, -0.019, 0.03, 0.95))
    assert found.power_lost == pytest.approx(non_inferiority_power(PROBLEMS, spread, 0.8 / 100 - 0.03, 0.03, 0.95))
    without = margin(score_frame(rows()), {}, JOB)
    assert without[["power_kept", "power_lost"]].isna().all(axis=None), "the study of accuracy may be gone"


def test_controls_and_schedules_have_no_row(both: dict[str, pd.DataFrame]) -> None:
    target, draft = JOB.pairs[0]
    more = [*answers(target, draft, "schedule_sequential", 3), *answers(target, NO_DRAFT, "ngram", 0)]
    more += [*answers("q3vl-deep", NO_DRAFT, "target_only", 0), *answers("q3vl-deep", draft, "dreamr", 9)]
    table = tables([*rows(), *more])["margin"]
    assert {*table.method} == {"dreamr"} and "q3vl-deep" not in {*table.target}
    assert len(table) == len(both["margin"]) == 9


def test_another_window_writes_the_same_text_and_has_no_row(both: dict[str, pd.DataFrame]) -> None:
    window = JOB.methods["dreamr"].model_copy(update={"window": 2})
    job = JOB.model_copy(update={"methods": JOB.methods | {"window_2": window}})
    more = answers(*JOB.pairs[0], "window_2", 0)
    found = margin(score_frame([*rows(), *more]), both, job)
    pd.testing.assert_frame_equal(found, both["margin"])


def test_the_figure_and_the_section_have_both_answers(both: dict[str, pd.DataFrame]) -> None:
    chart = drawn(both, JOB)
    assert chart and [axes.get_title() for axes in chart.figure.axes] == ["with these drafts", "with drafts like these"]
    text = said("studies/margin/section.html.j2", config(), both)
    assert "kept" in text and "undecided" in text and "Every pair" in text
