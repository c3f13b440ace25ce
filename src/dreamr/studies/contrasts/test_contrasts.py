"""The table of contrasts on invented scores: what is compared, over what, and in which family."""

from collections.abc import Collection
from functools import cache
from math import isnan

import numpy as np
import pandas as pd
import pytest
import summarised
from factories import config, scores, small, with_exchanged, with_interventions

from dreamr.planning.jobs import SummariseJob
from dreamr.scores import Score
from dreamr.statistics.contrasts import DISTANCES
from dreamr.statistics.frame import ALL, BASELINE, score_frame
from dreamr.statistics.intervals import holm
from dreamr.statistics.paired import ONE_TRAINING, QUESTIONS, TRAININGS
from dreamr.studies.contrasts import figures
from dreamr.studies.contrasts.tables import BETWEEN, contrasts, recipes, trainings

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


def line_of(found: pd.DataFrame, method: str, other: str) -> pd.DataFrame:
    """The contrast's rows on the pair, all benchmarks."""
    keys = (found.method == method) & (found.other == other) & (found.benchmark == ALL)
    return found[keys & (found.target == PAIR[0]) & (found.draft == PAIR[1])]


def of(method: str, mode: str, **keys: str) -> dict[tuple[str, ...], Score]:
    """Scores by target, draft, benchmark and question."""
    found = [row for row in rows() if (row.method, row.mode) == (method, mode)]
    found = [row for row in found if all(getattr(row, key) == value for key, value in keys.items())]
    return {(row.target, row.draft, row.benchmark, row.question): row for row in found}


def faster(timed: Collection[Score]) -> float:
    return sum(row.baseline_seconds or 0 for row in timed) / sum(row.seconds for row in timed)


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
    assert {*added.other} == {BASELINE} and added.accuracy_change.notna().all()
    assert len(line_of(found, "alpha_05", "dreamr")) == 1, "against the reference it is an ablation, and told once"
    ours = found[(found.differs == "headline") & (found.method != "alpha_05")]
    assert len(ours) == (table().differs == "headline").sum(), "a draft alone is compared with none"


def test_what_was_timed_on_one_pair_is_no_pool_of_times() -> None:
    """A method that answered on all pairs and was timed on one: a pool of accuracy, and a speed of that pair alone."""
    ours = [row for row in rows() if row.method == "dreamr"]
    kept = [row for row in ours if row.mode == "batched" or (row.target, row.draft) == PAIR]
    others = [row for row in rows() if row.method != "alpha_05"]
    table = contrasts(score_frame([*others, *(row.model_copy(update={"method": "alpha_05"}) for row in kept)]), JOB)
    pool, single = line(table, "alpha_05", "dreamr"), line(table, "alpha_05", "dreamr", PAIR)
    assert pool.accuracy_change == 0 and isnan(pool.speed_ratio) and isnan(pool.speed_ratio_p) and pool.n_alone == 0
    assert single.speed_ratio == 1 and single.n_alone == 24


def test_a_control_of_contamination_is_no_contrast_of_rewards() -> None:
    found = contrasts(score_frame(rows()), JOB.model_copy(update={"planted": ("outcome_heavy",)}))
    assert set(found.method[found.differs == "rewards"]) == {"length_heavy"}


def test_distances_are_those_of_the_same_questions() -> None:
    found = line(table(), "lookahead", "dreamr_ns", PAIR)
    pair = dict(zip(("target", "draft"), PAIR, strict=True))
    own, other = (of(method, "batched", **pair) for method in ("lookahead", "dreamr_ns"))
    assert found.n == len(own) == 80
    assert found.accuracy_change == pytest.approx(np.mean([own[q].correct - other[q].correct for q in own]))
    tokens = [sum(row.tokens_by_target for row in rows.values()) for rows in (own, other)]
    assert found.tokens_ratio == pytest.approx(tokens[0] / tokens[1])
    shares = [sum(r.accepted for r in rows.values()) / sum(r.verified for r in rows.values()) for rows in (own, other)]
    assert found.acceptance_change == pytest.approx(shares[0] - shares[1])
    own, other = (of(method, "alone", **pair) for method in ("lookahead", "dreamr_ns"))
    assert found.n_alone == len(own) == 24
    assert found.speed_ratio == pytest.approx(faster(own.values()) / faster(other.values()))


def test_the_target_by_itself_is_what_was_asked_beside_the_method() -> None:
    found = line(table(), "dreamr", BASELINE, PAIR)
    pair = dict(zip(("target", "draft"), PAIR, strict=True))
    own, target = of("dreamr", "batched", **pair), of(BASELINE, "batched", target=PAIR[0])
    change = [row.correct - target[(PAIR[0], "none", *place[2:])].correct for place, row in own.items()]
    assert found.accuracy_change == pytest.approx(np.mean(change))
    assert found.speed_ratio == pytest.approx(faster(of("dreamr", "alone", **pair).values()))
    assert isnan(found.acceptance_change)


def test_a_trained_draft_against_another_is_over_trainings() -> None:
    assert line(table(), "lookahead", "dreamr_ns").over == QUESTIONS
    pooled, single = line(table(), "dreamr", "dreamr_ns"), line(table(), "dreamr", "dreamr_ns", PAIR)
    assert (pooled.over, pooled.trainings) == (TRAININGS, 8)
    assert (single.over, single.trainings) == (ONE_TRAINING, 1)
    assert single.acceptance_change > 0, "what this training did"
    assert isnan(single.acceptance_change_p) and isnan(single.acceptance_change_low), "says nothing of the next"
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
    assert sapo.acceptance_change_low < sapo.acceptance_change < sapo.acceptance_change_high
    rewards = line(found, "outcome_heavy", "dreamr", PAIR)  # replicate by replicate
    assert (rewards.over, rewards.n) == (TRAININGS, 240)


def test_trainings_weigh_alike_and_each_stands_in_a_table_of_its_own() -> None:
    """Two further trainings of one pair, of which the second is right nowhere: the pair weighs what it did before."""
    more = [
        row.model_copy(update={"replicate": replicate, "correct": row.correct and replicate == 1})
        for replicate in (1, 2)
        for row in of("dreamr", "batched", target=PAIR[0], draft=PAIR[1]).values()
    ]
    frame = score_frame([*rows(), *more])
    before, found = (line(one, "dreamr", "dreamr_ns", PAIR) for one in (table(), contrasts(frame, JOB)))
    right = np.mean([row.correct for row in of("dreamr", "batched", target=PAIR[0], draft=PAIR[1]).values()])
    assert found.accuracy_change == pytest.approx(before.accuracy_change - right / 3)
    pooled = [line(one, "dreamr", "dreamr_ns").accuracy_change for one in (table(), contrasts(frame, JOB))]
    assert pooled[1] == pytest.approx(pooled[0] - right / 3 / 8), "eight pairs weigh alike"
    each = trainings(frame, JOB)
    each = each[(each.method == "dreamr") & (each.target == PAIR[0]) & (each.draft == PAIR[1])]
    assert each.replicate.tolist() == [0, 1, 2]
    assert np.mean(each.accuracy_change) == pytest.approx(found.accuracy_change)


def test_trainings_are_set_beside_each_other_on_the_questions_that_all_answered() -> None:
    """A second training that repeats the first one's answers to half of the questions differs in nothing."""
    both = [
        list(of(method, "batched", target=PAIR[0], draft=PAIR[1]).values()) for method in ("dreamr", "length_heavy")
    ]
    half = [row.model_copy(update={"replicate": 1}) for found in both for row in found[::2]]
    each = trainings(score_frame([*rows(), *half]), JOB).query("method == 'length_heavy'")
    assert len(each) == 2 and each.accuracy_change.nunique() == each.acceptance_change.nunique() == 1


def test_what_the_first_training_alone_would_have_said_stands_beside_the_others() -> None:
    """Three trainings of two recipes, of which one is right less often each time."""
    more = [
        row.model_copy(update={"replicate": replicate, "correct": row.correct and number % 4 >= replicate})
        for replicate in (1, 2)
        for method in ("dreamr", "outcome_heavy")
        for mode in ("batched", "alone")
        for number, row in enumerate(of(method, mode, target=PAIR[0], draft=PAIR[1]).values())
    ]
    frame = score_frame([*rows(), *more])
    tables = {"contrasts": contrasts(frame, JOB), "trainings": trainings(frame, JOB)}
    tables["recipes"] = recipes(tables)
    each = tables["trainings"].query("method == 'dreamr' and target == @PAIR[0] and draft == @PAIR[1]").accuracy_change
    found = tables["recipes"].query("method == 'dreamr'").iloc[0]
    assert each.is_monotonic_decreasing and found.trainings == 3
    told = found[[f"accuracy_change_{what}" for what in ("first", "further", "sd")]]
    assert told.tolist() == pytest.approx([each.iloc[0], each.iloc[1:].mean(), each.std()])
    assert set(tables["recipes"].method) == {"dreamr", "outcome_heavy"}, "the others were trained once"
    chart = figures.trainings(tables, JOB)
    assert chart is not None and len(chart.data) == 2 and chart.data.accuracy_change_low.notna().all()
    assert figures.trainings({**tables, "recipes": tables["recipes"].iloc[:0]}, JOB) is None


def test_one_number_stands_in_all_tables(tables: dict[str, pd.DataFrame]) -> None:
    """Of the reference against the target, and against the same method before training, over all pairs."""
    accuracy, speed, sapo = (pool(tables[name], method="dreamr") for name in ("accuracy", "speed", "sapo"))
    target, plain = (pool(tables["contrasts"], method="dreamr", other=other) for other in (BASELINE, "dreamr_ns"))
    alike = [(accuracy, "accuracy_change", target, "accuracy_change"), (speed, "speedup", target, "speed_ratio")]
    alike += [(sapo, name, plain, name) for name in ("accuracy_change", "acceptance_change")]
    for one, name, other, called in alike:
        for end in ("", "_low", "_high"):
            assert one[f"{name}{end}"] == pytest.approx(other[f"{called}{end}"], rel=1e-4), name
    assert sapo.speedup == pytest.approx(speed.speedup, rel=1e-4)
    assert sapo.speedup / sapo.speedup_plain == pytest.approx(plain.speed_ratio, rel=1e-3)
    before = pool(tables["accuracy"], method=BASELINE)
    assert accuracy.accuracy - before.accuracy == pytest.approx(accuracy.accuracy_change, abs=1e-4)


def pool(found: pd.DataFrame, **keys: str) -> pd.Series:
    return summarised.line(found, target=ALL, draft=ALL, benchmark=ALL, **keys)


def test_holm_is_over_one_distance_of_what_differs_in_the_same_way() -> None:
    for family, part in table().groupby("family"):
        for name in DISTANCES:
            assert part[f"{name}_p_holm"].tolist() == pytest.approx(holm(part[f"{name}_p"]), nan_ok=True), family
    assert set(table().family[table().differs == "headline"]) == {
        "headline, all pairs", "headline, by benchmark", "headline, each pair", "headline, controls",
    }  # fmt: skip


def test_a_control_corrects_no_pair_s_p() -> None:
    """The model before quantization has methods of the main run on a target of its own."""
    single = table()[table().target != ALL]
    control = single.family.str.endswith("controls")
    assert set(single.target[control]) == {"q3vl-deep"}
    without = contrasts(score_frame(row for row in rows() if row.target != "q3vl-deep"), JOB)
    pd.testing.assert_frame_equal(table()[table().target != "q3vl-deep"].reset_index(drop=True), without)


def test_nothing_to_contrast_is_a_table_without_rows() -> None:
    found = contrasts(score_frame([row for row in rows() if row.method == BASELINE]), JOB)
    assert not len(found) and {"family", "speed_ratio_low", "speed_ratio_p_holm"} <= set(found)


def test_a_method_with_drafts_of_the_other_target_is_nobody_s_contrast() -> None:
    """Its settings are those of the reference, for which it must not be taken."""
    settings = with_exchanged(with_interventions(small()))
    names = {"target_only", "dreamr", "dreamr_ns", "dreamr_double", "target_only_double", "dreamr_exchanged"}
    found = contrasts(score_frame(row for row in scores(settings) if row.method in names), SummariseJob.of(settings))
    assert "dreamr_exchanged" not in {*found.method, *found.other}
    assert {*found.other[found.method == "dreamr_double"]} == {"dreamr"}
