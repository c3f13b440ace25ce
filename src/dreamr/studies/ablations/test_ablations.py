"""Ablated methods beside the reference."""

from functools import cache
from math import isnan, nan

import numpy as np
import pandas as pd
import pytest
from factories import config, scores
from sentences import said
from summarised import PAIR, everything, line

from dreamr.config import Config
from dreamr.planning.jobs import SummariseJob
from dreamr.report.drawing import Chart
from dreamr.statistics.frame import ALL, score_frame
from dreamr.statistics.intervals import Interval
from dreamr.studies.ablations.figures import ablation_alpha, ablation_schedule
from dreamr.studies.ablations.tables import ablation, equivalence, told


def test_ablations_are_compared_with_the_reference_of_their_pair(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["ablation"]
    own = line(table, kind="alpha", method="dreamr", benchmark=ALL)
    other = line(table, kind="alpha", method="alpha_05", benchmark=ALL)
    assert (own.setting, own.target, own.draft) == ("0.7", *PAIR.values())
    assert isnan(own.accuracy_change)
    assert other.accuracy_change == pytest.approx(other.accuracy - own.accuracy, abs=1e-5)
    assert other.accuracy_reference == pytest.approx(own.accuracy)
    assert other.speedup_change == pytest.approx(other.speedup - own.speedup, abs=1e-4)


def test_an_ablation_that_was_not_run_has_no_row() -> None:
    """Not even the reference's, which would stand there beside nothing."""
    settings, rows = everything()
    frame = score_frame(row for row in rows if not row.method.startswith("alpha"))
    assert set(ablation(frame, SummariseJob.of(settings)).kind) == {"schedule", "verifier", "rewards"}


def test_a_draft_trained_on_planted_questions_is_no_ablation() -> None:
    settings, rows = everything()
    job = SummariseJob.of(settings)
    control = job.model_copy(update={"planted": ("length_heavy",)})
    frame = score_frame(row for row in rows if (row.target, row.draft) == tuple(PAIR.values()))
    lost = {*ablation(frame, job).method} - {*ablation(frame, control).method}
    assert lost == {"length_heavy"}


def test_without_any_ablation_the_table_has_columns_and_no_row() -> None:
    settings, rows = everything()
    table = ablation(score_frame([row for row in rows if row.method == "target_only"]), SummariseJob.of(settings))
    assert table.empty and {"kind", "setting", "target"} <= {*table}


# --- schedules: equally fast? ---


def everywhere() -> Config:
    """Schedules on all of two pairs."""
    settings = config()
    main = settings.runs["main"].model_copy(update={"drafts": ("q3vl-2l",)})
    arms = main.model_copy(update={"methods": ("schedule_sequential", "schedule_pipelined")})
    return settings.model_copy(update={"runs": {**settings.runs, "main": main, "ablation": arms}})


@cache
def timed() -> pd.DataFrame:
    """Invented scores; the pipelined schedule takes 1.01 times as long as the reference, give or take a hundredth."""
    rows, rng = score_frame(scores(everywhere())), np.random.default_rng(0)
    reference = rows[(rows.method == "dreamr") & (rows["mode"] == "alone")]
    keys = ["target", "draft", "item"]
    beside = rows[(rows.method == "schedule_pipelined") & (rows["mode"] == "alone")]
    same = beside[keys].merge(reference[[*keys, "seconds", "baseline_seconds"]], on=keys, validate="one_to_one")
    rows.loc[beside.index, "baseline_seconds"] = same.baseline_seconds.to_numpy()
    rows.loc[beside.index, "seconds"] = same.seconds.to_numpy() * rng.normal(1.01, 0.01, len(same))
    return rows


def test_schedules_are_tested_for_equal_speed_over_all_pairs_and_on_each() -> None:
    table = equivalence(timed(), SummariseJob.of(everywhere()))
    pipelined = line(table, target=ALL, draft=ALL, method="schedule_pipelined")
    assert pipelined.speed_ratio == pytest.approx(1 / 1.01, abs=0.01) and pipelined.alike == "equal"
    assert pipelined.p_equal < 0.05 and pipelined.n == 2 * 4 * 6
    sequential = line(table, target=ALL, draft=ALL, method="schedule_sequential")
    assert sequential.alike == "different" and sequential.p_equal > 0.9
    assert {(row.target, row.draft) for row in table.itertuples()} >= {("q3vl-deep-awq", "q3vl-2l"), (ALL, ALL)}


def test_the_ratio_that_is_tested_is_that_of_the_contrasts(tables: dict[str, pd.DataFrame]) -> None:
    for row in tables["equivalence"].itertuples():
        place = {"target": row.target, "draft": row.draft, "benchmark": ALL}
        other = line(tables["contrasts"], method=row.method, other="dreamr", differs="schedule", **place)
        assert [row.speed_ratio, row.speed_ratio_low] == pytest.approx([other.speed_ratio, other.speed_ratio_low])


@pytest.mark.parametrize(
    ("low", "high", "p", "words"),
    [
        (0.98, 1.03, 0.01, "equal"),
        (1.01, 1.03, 0.01, "equal"),  # a difference, and within the margin
        (0.9, 1.1, 0.3, "undecided"),
        (1.01, 1.2, 0.6, "undecided"),
        (1.06, 1.2, 0.9, "different"),
        (0.7, 0.95, 0.9, "different"),
        (nan, nan, nan, "unknown"),
    ],
)
def test_equal_different_or_undecided(low: float, high: float, p: float, words: str) -> None:
    assert told(Interval((low + high) / 2, low, high), p, 0.05) == words


def test_the_section_says_which_schedules_are_as_fast() -> None:
    job = SummariseJob.of(everywhere())
    tables = {"ablation": ablation(timed(), job), "equivalence": equivalence(timed(), job)}
    text = said("studies/ablations/schedule.html.j2", everywhere(), tables)
    assert "DREAM-R (pipelined) (all pairs): equally fast, within 5 %." in text
    assert "DREAM-R (sequential) (all pairs): not equally fast, by more than 5 %." in text


def untimed_elsewhere() -> pd.DataFrame:
    """The reference's answers on all pairs as those of alpha 0.5 and 0.7, timed on one pair alone."""
    ours = [row for row in scores(config()) if row.method == "dreamr"]
    kept = [row for row in ours if row.mode == "batched" or (row.target, row.draft) == tuple(PAIR.values())]
    other = [row.model_copy(update={"method": "alpha_05"}) for row in kept]
    return score_frame([*(row for row in scores(config()) if row.method in ("target_only", "dreamr")), *other])


def test_what_was_timed_on_one_pair_alone_is_drawn_beside_what_was_answered_on_all() -> None:
    job = SummariseJob.of(config())
    chart = ablation_alpha({"ablation": ablation(untimed_elsewhere(), job)}, job)
    assert isinstance(chart, Chart)
    accuracy, _, speed, _ = chart.figure.axes
    assert accuracy.get_xlabel() == "accuracy %" and speed.get_xlabel() == "speed-up (single pairs)"
    assert all(len(axes.collections) + len(axes.lines) > 0 for axes in (accuracy, speed))


def change(low: float, high: float) -> dict[str, float]:
    return {"": (low + high) / 2, "_low": low, "_high": high}


@pytest.mark.parametrize(
    ("accuracy", "speed", "words"),
    [
        ((0.01, 0.02), (0.9, 1.1), "worse in neither: 0.5."),
        ((0.01, 0.02), (0.7, 0.9), "None is shown to be more accurate or faster"),
        ((0.01, 0.02), (nan, nan), "how much speed another alpha takes or gives is not known"),
    ],
)
def test_an_alpha_is_better_only_where_its_speed_is_known(
    accuracy: tuple[float, float], speed: tuple[float, float], words: str
) -> None:
    cells = {f"accuracy_change{end}": value for end, value in change(*accuracy).items()}
    cells |= {f"speed_ratio{end}": value for end, value in change(*speed).items()}
    cells |= {f"acceptance_change{end}": value for end, value in change(0.01, 0.03).items()}
    row = {"differs": "alpha", "method": "alpha_05", "other": "dreamr", "over": "questions", "n": 80, **cells}
    place = dict.fromkeys(("target", "draft", "benchmark"), ALL)
    found = ablation(timed().iloc[:0], SummariseJob.of(config()))
    told = said(
        "studies/ablations/alpha.html.j2", config(), {"contrasts": pd.DataFrame([row | place]), "ablation": found}
    )
    assert words in told


def test_a_setting_that_ran_on_all_pairs_is_drawn_once() -> None:
    """Over all of them; one that ran on a single pair beside it says so."""
    job = SummariseJob.of(everywhere())
    found = ablation(timed(), job)
    chart = ablation_schedule({"ablation": found}, job)
    assert isinstance(chart, Chart) and (chart.data.target == ALL).all() and len(chart.data) == 3
    alone = found[(found.method != "schedule_pipelined") | (found.draft == PAIR["draft"])]
    alone = alone[(alone.method != "schedule_pipelined") | (alone.target == PAIR["target"])]
    chart = ablation_schedule({"ablation": alone}, job)
    assert isinstance(chart, Chart)
    assert {*chart.data.setting} == {"fully parallel", "sequential", "pipelined, one pair"}
