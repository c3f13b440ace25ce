"""The table of contrasts on invented scores: what is compared, over what, and in which family."""

from functools import cache
from math import exp, isnan

import numpy as np
import pandas as pd
import pytest
from factories import config, scores

from dreamr.planning.jobs import SummariseJob
from dreamr.scores import Score
from dreamr.statistics.frame import ALL, BASELINE, score_frame
from dreamr.statistics.intervals import holm
from dreamr.statistics.paired import ONE_TRAINING, QUESTIONS, TRAININGS
from dreamr.studies.contrasts.tables import BETWEEN, DISTANCES, contrasts

PAIR = ("q3vl-deep-awq", "q3vl-2l")
MAIN = {"target_only", "specreason", "lookahead", "dreamr_ns", "dreamr"}
KEPT = MAIN | {"alpha_05", "outcome_heavy", "length_heavy"}
JOB = SummariseJob.of(config())


@cache
def rows() -> list[Score]:
    """All that contrasts take part in; of the ablations those of a verifier's threshold and of rewards."""
    return [row for row in scores(config()) if row.method in KEPT]


@cache
def table() -> pd.DataFrame:
    return contrasts(score_frame(rows()), JOB)


def line(
    found: pd.DataFrame, method: str, other: str, pair: tuple[str, str] = (ALL, ALL), benchmark: str = ALL
) -> pd.Series:
    keys = (found.method == method) & (found.other == other) & (found.benchmark == benchmark)
    found = found[keys & (found.target == pair[0]) & (found.draft == pair[1])]
    assert len(found) == 1
    return found.iloc[0]


def of(method: str, mode: str, **keys: str) -> dict[tuple[str, ...], Score]:
    """Scores by target, draft, benchmark and question."""
    found = [row for row in rows() if (row.method, row.mode) == (method, mode)]
    found = [row for row in found if all(getattr(row, key) == value for key, value in keys.items())]
    return {(row.target, row.draft, row.benchmark, row.question): row for row in found}


def test_what_is_contrasted_follows_from_the_methods() -> None:
    pooled = table()[table().target == ALL]
    assert {(row.method, row.other) for row in pooled.itertuples()} == {
        *((one.method, one.other) for one in BETWEEN if {one.method, one.other} <= MAIN),
        ("dreamr", "dreamr_ns"),  # SAPO
    }
    single = {(row.method, row.differs) for row in table()[table().target != ALL].itertuples()}
    assert single >= {("alpha_05", "alpha"), ("length_heavy", "rewards")}


def test_a_main_method_of_ones_own_is_held_against_the_target_and_the_reference() -> None:
    display = JOB.display.model_copy(update={"main": (*JOB.display.main, "alpha_05", "draft_only")})
    found = contrasts(score_frame(rows()), JOB.model_copy(update={"display": display}))
    added = found[(found.differs == "headline") & (found.method == "alpha_05")]
    assert {*added.other} == {BASELINE, "dreamr"} and added.accuracy_change_p.notna().all()
    ours = found[(found.differs == "headline") & (found.method != "alpha_05")]
    assert len(ours) == (table().differs == "headline").sum(), "a draft alone is compared with none"


def test_a_control_of_contamination_is_no_contrast_of_rewards() -> None:
    found = contrasts(score_frame(rows()), JOB.model_copy(update={"planted": ("outcome_heavy",)}))
    assert set(found.method[found.differs == "rewards"]) == {"length_heavy"}


def test_distances_are_those_of_the_same_questions() -> None:
    found = line(table(), "lookahead", "dreamr_ns", PAIR)
    pair = dict(zip(("target", "draft"), PAIR, strict=True))
    own, other = (of(method, "batched", **pair) for method in ("lookahead", "dreamr_ns"))
    assert found.n == len(own) == 80
    assert found.accuracy_change == pytest.approx(np.mean([own[q].correct - other[q].correct for q in own]))
    assert found.tokens_ratio == pytest.approx(
        exp(np.mean([np.log(own[q].tokens_by_target / other[q].tokens_by_target) for q in own]))
    )
    shares = [sum(r.accepted for r in rows.values()) / sum(r.verified for r in rows.values()) for rows in (own, other)]
    assert found.acceptance_change == pytest.approx(shares[0] - shares[1])
    own, other = (of(method, "alone", **pair) for method in ("lookahead", "dreamr_ns"))
    speeds = [np.log(rows[q].baseline_seconds / rows[q].seconds) for rows in (own, other) for q in own]
    assert found.n_alone == len(own) == 24
    assert found.speed_ratio == pytest.approx(exp(np.mean(speeds[:24]) - np.mean(speeds[24:])))


def test_the_target_by_itself_is_what_was_asked_beside_the_method() -> None:
    found = line(table(), "dreamr", BASELINE, PAIR)
    pair = dict(zip(("target", "draft"), PAIR, strict=True))
    own, target = of("dreamr", "batched", **pair), of(BASELINE, "batched", target=PAIR[0])
    change = [row.correct - target[(PAIR[0], "none", *place[2:])].correct for place, row in own.items()]
    assert found.accuracy_change == pytest.approx(np.mean(change))
    timed = of("dreamr", "alone", **pair).values()
    assert found.speed_ratio == pytest.approx(exp(np.mean([np.log(r.baseline_seconds / r.seconds) for r in timed])))
    assert isnan(found.acceptance_change)


def test_a_trained_draft_against_another_is_over_trainings() -> None:
    assert line(table(), "lookahead", "dreamr_ns").over == QUESTIONS
    pooled, single = line(table(), "dreamr", "dreamr_ns"), line(table(), "dreamr", "dreamr_ns", PAIR)
    assert (pooled.over, pooled.trainings) == (TRAININGS, 8)
    assert (single.over, single.trainings) == (ONE_TRAINING, 1)
    assert single.acceptance_change_p < 0.01 and single.acceptance_change_low > 0  # of this training
    same = line(table(), "alpha_05", "dreamr", PAIR)
    assert (same.over, same.trainings) == (QUESTIONS, 1)


def test_further_trainings_are_crossed_with_questions_and_stand_beside_one_plain_draft() -> None:
    more = [
        row.model_copy(update={"replicate": replicate, "accepted": max(0, row.accepted - replicate)})
        for replicate in (1, 2)
        for method in ("dreamr", "outcome_heavy")
        for row in of(method, "batched", target=PAIR[0], draft=PAIR[1]).values()
    ]
    found = contrasts(score_frame([*rows(), *more]), JOB)
    sapo = line(found, "dreamr", "dreamr_ns", PAIR)
    assert (sapo.over, sapo.trainings, sapo.n) == (TRAININGS, 3, 240)
    one = line(table(), "dreamr", "dreamr_ns", PAIR)
    width = sapo.acceptance_change_high - sapo.acceptance_change_low
    assert width > 2 * (one.acceptance_change_high - one.acceptance_change_low)
    rewards = line(found, "outcome_heavy", "dreamr", PAIR)  # replicate by replicate
    assert (rewards.over, rewards.n) == (TRAININGS, 240)
    assert line(found, "dreamr", "dreamr_ns").n == line(table(), "dreamr", "dreamr_ns").n, "not on all pairs: no pool"


def test_holm_is_over_one_distance_of_what_differs_in_the_same_way() -> None:
    for family, part in table().groupby("family"):
        for name in DISTANCES:
            assert part[f"{name}_p_holm"].tolist() == pytest.approx(holm(part[f"{name}_p"]), nan_ok=True), family
    assert set(table().family[table().differs == "headline"]) == {
        "headline, all pairs", "headline, by benchmark", "headline, each pair",
    }  # fmt: skip


def test_nothing_to_contrast_is_a_table_without_rows() -> None:
    found = contrasts(score_frame([row for row in rows() if row.method == BASELINE]), JOB)
    assert not len(found) and {"family", "speed_ratio_low", "speed_ratio_p_holm"} <= set(found)
