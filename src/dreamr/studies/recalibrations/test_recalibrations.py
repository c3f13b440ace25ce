"""Calibrations repeated on the answers of a run: what they choose, and what becomes of it on the other half."""

import numpy as np
import pandas as pd
import pytest
from sentences import said
from summarised import PAIR, everything

from dreamr.planning.jobs import SummariseJob
from dreamr.studies.recalibrations import tables
from dreamr.studies.recalibrations.figures import recalibrations as draw
from dreamr.studies.recalibrations.tables import CALIBRATIONS, recalibrations

PROBLEMS = 2400
ALPHAS = {"alpha_09": 0.9, "dreamr": 0.7, "alpha_05": 0.5}
WRONG = {"alpha_09": 0.0, "dreamr": 0.01, "alpha_05": 0.08}  # of the target's right answers
JOB = SummariseJob.of(everything()[0])


def answers(problems: int = PROBLEMS, wrong: dict[str, float] | None = None) -> pd.DataFrame:
    """Rows as the score frame has them: the target is always right, each method now and then wrong."""
    rng = np.random.default_rng(3)
    place = PAIR | {"replicate": 0, "mode": "batched", "target_correct": 1.0}
    rows = [
        place | {"method": name, "cluster": number, "item": f"m/{number}", "correct": float(rng.random() >= share)}
        for name, share in (wrong or WRONG).items()
        for number in range(problems)
    ]
    return pd.DataFrame(rows)


def test_each_calibration_takes_the_last_threshold_before_the_first_that_fails() -> None:
    table = recalibrations(answers(), JOB)
    assert len(table) == CALIBRATIONS and {*table.problems} == {*table.elsewhere} == {PROBLEMS // 2}
    assert {*table.alpha} == {ALPHAS["dreamr"]} and not table.broken.any()  # .5 loses 8 points, .7 one


def test_a_threshold_behind_one_that_fails_is_never_chosen() -> None:
    table = recalibrations(answers(wrong={"alpha_09": 0.08, "dreamr": 0.0, "alpha_05": 0.0}), JOB)
    assert table.alpha.isna().all() and (table.loss == 0).all() and not table.broken.any()


def test_losses_are_those_of_problems_that_were_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A threshold that is certified whatever it loses breaks its promise on the other half: about eight points."""
    monkeypatch.setattr(tables, "_certified", lambda losses, risk, level: 0.5)
    table = recalibrations(answers(), JOB)
    assert table.broken.all() and table.loss.mean() == pytest.approx(0.08, abs=0.015)
    assert table.loss.nunique() > 1


def test_versions_of_a_problem_count_once_and_few_problems_or_thresholds_say_nothing() -> None:
    rows = answers()
    twice = pd.concat([rows, rows.assign(item=rows.item + "-again", correct=0.0)])
    pd.testing.assert_frame_equal(recalibrations(twice, JOB), recalibrations(rows, JOB))
    assert recalibrations(answers(500), JOB).empty
    assert recalibrations(rows[rows.method != "alpha_05"], JOB).empty


def test_a_threshold_with_few_problems_is_left_out_and_takes_none_of_the_others() -> None:
    rows, more = answers(), answers(480, {"alpha_098": 0.0})
    methods = JOB.methods | {"alpha_098": JOB.methods["dreamr"].model_copy(update={"alpha": 0.98})}
    job = JOB.model_copy(update={"methods": methods})
    pd.testing.assert_frame_equal(recalibrations(pd.concat([rows, more]), job), recalibrations(rows, job))
    assert recalibrations(pd.concat([rows[rows.method != "dreamr"], more]), job).empty


def test_a_family_is_called_by_the_reference_or_by_a_name_without_a_threshold() -> None:
    """Whichever of its methods the configuration has first."""
    first = {name: JOB.methods[name] for name in sorted(ALPHAS)}
    job = JOB.model_copy(update={"methods": first | JOB.methods})
    assert {*recalibrations(answers(), job).method} == {"dreamr"}
    other = job.model_copy(update={"reference": "specreason", "names": {"alpha_05": "alpha 0.5", "alpha_09": "a 0.9"}})
    assert {*recalibrations(answers(), other).method} == {"dreamr"}


def test_the_section_has_the_halves_of_all_pairs() -> None:
    small, large = (recalibrations(answers(problems), JOB) for problems in (2000, 2400))
    both = pd.concat([small.assign(draft="r4b-2l"), large])
    for table, words in ((both, "at random, 1,000 to 1,200 by pair, and"), (large, "at random, 1,200, and")):
        text = said("studies/recalibrations/section.html.j2", everything()[0], {"recalibrations": table})
        assert words in text and f"Of {len(table)} calibrations of DREAM-R, none chose" in text


def test_drafts_of_the_other_target_stay_out_of_it() -> None:
    """Their method has the settings of DREAM-R, and would be averaged with it."""
    rows = answers()
    wrong = rows[rows.method == "dreamr"].assign(method="exchanged", correct=0.0)
    methods = JOB.methods | {"exchanged": JOB.methods["dreamr"]}
    target = PAIR["target"]
    job = JOB.model_copy(update={"methods": methods, "exchanged": {"exchanged": {target: "q3vl-moe-awq"}}})
    pd.testing.assert_frame_equal(recalibrations(pd.concat([rows, wrong]), job), recalibrations(rows, JOB))


def test_the_figure_has_a_point_for_each_calibration() -> None:
    table = recalibrations(answers(), JOB)
    chart = draw({"recalibrations": table}, JOB)
    assert chart and len(chart.data) == CALIBRATIONS
    assert draw({"recalibrations": table.iloc[:0]}, JOB) is None
