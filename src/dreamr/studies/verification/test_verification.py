"""Verdicts against an oracle that is known: rates, areas and parts, against slow definitions."""

from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import pytest
from factories import judged_steps as steps
from factories import small
from sentences import said
from sklearn.metrics import roc_auc_score

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL
from dreamr.statistics.step_frame import reweighed
from dreamr.studies.verification.separation import area, calibration, roc
from dreamr.studies.verification.step_parts import NEW, replacements, step_parts
from dreamr.studies.verification.step_verdicts import VERIFICATION, thresholds, verification

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}


@cache
def job() -> SummariseJob:
    return SummariseJob.of(small())


def of(method: str) -> pd.DataFrame:
    rows = steps()
    return rows[(rows.target == PAIR["target"]) & (rows.draft == PAIR["draft"]) & (rows.method == method)]


def row(table: pd.DataFrame, method: str) -> pd.Series:
    chosen = table[(table.target == PAIR["target"]) & (table.draft == PAIR["draft"]) & (table.method == method)]
    return chosen[chosen.benchmark == ALL].iloc[0]


@pytest.mark.parametrize("method", ["dreamr", "specreason"])
def test_rates_and_area_equal_the_slow_definition(method: str) -> None:
    rows, found = of(method), row(verification(steps(), job()), method)
    right, accepted = rows.right == 1, rows.accepted == 1
    assert found.n == len(rows)
    assert found.false_accept == pytest.approx((~right & accepted).sum() / (~right).sum())
    assert found.false_reject == pytest.approx((right & ~accepted).sum() / right.sum())
    assert found.right_if_accepted == pytest.approx((right & accepted).sum() / accepted.sum())
    assert found.auc == pytest.approx(roc_auc_score(rows.right, rows.verdict))
    assert found.auc_low < found.auc < found.auc_high


def test_the_area_s_interval_equals_resampling_the_rows() -> None:
    rows, settings = of("dreamr").reset_index(drop=True), job()
    more = settings.statistics.model_copy(update={"resamples": 1000})
    found = area(rows.assign(stratum="one", share=1.0), settings.model_copy(update={"statistics": more}))
    rng, names = np.random.default_rng(1), rows.cluster.unique()
    members = {name: np.flatnonzero(rows.cluster == name) for name in names}
    areas = []
    for _ in range(300):
        drawn = np.concatenate([members[name] for name in rng.choice(names, len(names))])
        areas.append(roc_auc_score(rows.right[drawn], rows.verdict[drawn]))
    low, high = np.quantile(areas, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


def test_calibration_bins_hold_every_step_on_one_scale() -> None:
    table = calibration(steps(), job())
    for method in ("dreamr", "specreason"):
        bins = table[(table.target == ALL) & (table.method == method)].sort_values("bin")
        assert bins.n.sum() == 4 * 80 * 3
        assert bins.verdict.is_monotonic_increasing and bins.verdict.between(0, 1).all()
        assert bins.right.iloc[0] < 0.4 < 0.8 < bins.right.iloc[-1]


def test_thresholds_judge_the_same_verdicts_again() -> None:
    table, rows = thresholds(steps(), job()), of("dreamr")
    own = table[(table.target == PAIR["target"]) & (table.draft == PAIR["draft"]) & (table.method == "dreamr")]
    own = own[own.benchmark == ALL].set_index("alpha")
    for alpha, found in own.iterrows():
        accepted, right = rows.verdict > float(alpha), rows.right == 1
        assert found.accepted == pytest.approx(accepted.mean())
        assert found.false_accept == pytest.approx((accepted & ~right).sum() / (~right).sum())
    assert own.accepted["0.5"] > own.accepted["0.7"] > own.accepted["0.9"]
    assert "specreason" not in set(table.method)


def test_the_area_under_the_drawn_curve_is_the_area() -> None:
    rows = steps()[steps().method == "dreamr"]
    curve = roc(steps(), job()).query("method == 'dreamr'").sort_values("threshold", ascending=False)
    drawn = np.trapezoid(curve.true_accept, curve.false_accept)
    assert drawn == pytest.approx(roc_auc_score(rows.right, rows.verdict.round(3), sample_weight=rows.weight))


def compared(rows: pd.DataFrame) -> tuple[float, int]:
    """How many comparisons of a right and a wrong step the right one wins, of how many."""
    right, wrong = rows[rows.right == 1].verdict, rows[rows.right == 0].verdict
    wins = sum((one > other) + (one == other) / 2 for one, other in product(right, wrong))
    return wins, len(right) * len(wrong)


def test_the_area_of_a_pool_compares_steps_within_pairs() -> None:
    """Were one pair's verdicts all higher than another's, that would say nothing of right and wrong."""
    shift = steps().target.map({"q3vl-deep-awq": 0.0, "q3vl-moe-awq": 5.0})
    table = verification(steps().assign(verdict=steps().verdict + shift), job())
    pool = table[(table.target == ALL) & (table.draft == ALL) & (table.benchmark == ALL) & (table.method == "dreamr")]
    parts = [compared(rows) for _, rows in steps()[steps().method == "dreamr"].groupby(["target", "draft"])]
    assert pool.auc.item() == pytest.approx(np.mean([wins / of for wins, of in parts])), "pairs weigh alike"
    assert pool.auc_low.item() < pool.auc.item() < pool.auc_high.item()


def test_a_training_on_fewer_questions_weighs_as_much_in_the_area() -> None:
    """A second training of one pair, on a third of the questions, whose verdicts are all on the wrong side."""
    first = of("dreamr")
    few = first[first.cluster < first.cluster.quantile(0.33)]
    second = few.assign(replicate=1, verdict=1 - few.verdict)
    both = reweighed(pd.concat([first, second]))
    each = [roc_auc_score(one.right, one.verdict, sample_weight=one.weight) for _, one in both.groupby("replicate")]
    assert row(verification(both, job()), "dreamr").auc == pytest.approx(np.mean(each))


def test_an_answer_with_twice_the_weight_counts_twice_in_the_area() -> None:
    rows = of("dreamr").assign(stratum="one", share=1.0).reset_index(drop=True)
    heavier = rows.assign(weight=rows.weight * np.where(rows.cluster % 2, 2, 1))
    expected = roc_auc_score(heavier.right, heavier.verdict, sample_weight=heavier.weight)
    assert area(heavier, job()).value == pytest.approx(expected) != area(rows, job()).value


def test_the_mean_digit_has_an_area_of_its_own() -> None:
    table = verification(steps(), job())
    rows, found = of("specreason"), row(table, "specreason")
    assert found.auc_expected == pytest.approx(roc_auc_score(rows.right, rows.expected))
    assert found.auc_expected != found.auc
    assert np.isnan(row(table, "dreamr").auc_expected)
    readings = roc(steps(), job()).groupby("method").reading.unique()
    assert {name: sorted(found) for name, found in readings.items()} == {
        "dreamr": ["verdict"], "dreamr_ns": ["verdict"], "specreason": ["expected", "verdict"]
    }  # fmt: skip


def test_parts_add_up_to_the_whole_and_say_what_the_rows_say() -> None:
    table, whole = step_parts(steps(), job()), row(verification(steps(), job()), "dreamr")
    parts = table[(table.target == PAIR["target"]) & (table.draft == PAIR["draft"]) & (table.method == "dreamr")]
    parts = parts.set_index(["prefix", "claim"])
    assert parts.loc[(ALL, ALL)][[*VERIFICATION]].to_dict() == whole[[*VERIFICATION]].to_dict()
    assert parts.loc[[("right so far", ALL), ("behind a wrong step", ALL)]].n.sum() == whole.n
    clean = "right so far"
    assert parts.loc[[(clean, kind) for kind in ("read", "sum", "filler")]].n.sum() == parts.loc[(clean, ALL)].n
    assert parts.loc[[(ALL, "filler"), (ALL, NEW)]].n.sum() == whole.n
    rows = of("dreamr")
    clean_sums = rows[rows.clean & (rows.claim == "sum") & (rows.right == 0)]
    assert parts.loc[("right so far", "sum")].false_accept == pytest.approx(clean_sums.accepted.mean())
    assert not table.duplicated(["target", "draft", "method", "prefix", "claim"]).any()


def test_the_target_s_replacement_is_judged_as_well() -> None:
    found, rows = row(replacements(steps(), job()).query(f"prefix == '{ALL}'"), "dreamr"), of("dreamr")
    rejected = rows[rows.accepted == 0]
    wrong = rejected.right == 0
    assert found.n == len(rejected) and 0 < found.mended < 1 and 0 < found.spoiled < 1
    assert found.mended == pytest.approx(rejected.own_right[wrong].mean())
    assert found.spoiled == pytest.approx(1 - rejected.own_right[~wrong].mean())
    assert found.gain == pytest.approx(rejected.own_right.mean() - rejected.right.mean())


def test_the_answer_names_the_pair_that_it_is_of_where_there_is_no_pool() -> None:
    """The draft before SAPO is that of the same pair."""
    table = verification(steps(), job())
    table = table[(table.target != ALL) & (table.draft != ALL) & (table.benchmark == ALL)]
    table = table[(table.method != "dreamr") | (table.draft == table.draft.iloc[-1])].sort_values("draft")
    text = said("studies/verification/lead.html.j2", small(), {"verification": table})
    ours = table[table.method == "dreamr"].iloc[0]
    plain = row(table.assign(**PAIR)[(table.target == ours.target) & (table.draft == ours.draft)], "dreamr_ns")
    assert text.startswith(f"On {job().label(ours.target)} ← {job().label(ours.draft)}, in DREAM-R the target accepts")
    assert f"With the draft before SAPO, DREAM-R's target accepts {100 * plain.false_accept:.1f} %" in text
