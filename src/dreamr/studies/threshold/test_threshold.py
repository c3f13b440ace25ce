"""What calibrations found beside what became of it, from certificates by hand and tables of invented scores."""

import pandas as pd
import pytest
from sentences import said
from summarised import PAIR, everything, line

from dreamr.certificates import Certificate, Trial
from dreamr.statistics.frame import ALL
from dreamr.studies.threshold.tables import certificates, guarantee

STRICT = Trial(alpha=0.9, problems=120, lost=1, won=1, loss=0, p=0.04, certified=True)
ALONE = {"replicate": 1, "alpha": None}
OTHER = PAIR | {"draft": "r4b-2l"}
LOOSE = Trial(alpha=0.5, problems=400, lost=30, won=4, loss=0.065, p=0.6, certified=False)


def certificate(**others: object) -> Certificate:
    told = {"method": "dreamr", **PAIR, "drafter": "a.b.c", "replicate": 0, "risk": 0.5, "confidence": 0.95}
    return Certificate.model_validate(
        told | {"models": {}, "problems": 400, "tested": (STRICT, LOOSE), "alpha": 0.9} | others
    )


def test_every_test_is_told_and_the_threshold_in_use_marked() -> None:
    table = certificates([certificate(), certificate(method="other", tested=(LOOSE,), alpha=None)])
    assert list(table.alpha) == [0.9, 0.5, 0.5] and list(table.used) == [True, False, False]
    assert list(table.problems) == [120, 400, 400] and list(table.certified) == [True, False, False]


def test_its_numbers_are_those_of_accuracy_and_speed(tables: dict[str, pd.DataFrame]) -> None:
    table = guarantee([certificate()], tables)
    for place, target, draft in ((0, *PAIR.values()), (1, ALL, ALL)):
        for name, quantity in (("accuracy", "accuracy_change"), ("speed", "speedup")):
            there = line(tables[name], target=target, draft=draft, method="dreamr", benchmark=ALL)
            assert table.iloc[place][f"{quantity}_low"] == pytest.approx(there[f"{quantity}_low"])
    assert list(table.threshold) == ["0.9", "each pair's own"] and table.iloc[0].held == "yes"


@pytest.mark.parametrize(("risk", "held"), [(0.9, "yes"), (1e-9, "no")])
def test_a_promise_is_held_against_the_whole_interval(tables: dict[str, pd.DataFrame], risk: float, held: str) -> None:
    """Drafts alone are wrong so often that they lose something for certain."""
    assert guarantee([certificate(method="draft_only", risk=risk)], tables).iloc[0].held == held


def test_what_was_not_answered_is_unknown(tables: dict[str, pd.DataFrame]) -> None:
    for one, made in ((certificate(method="new"), tables), (certificate(), {})):
        row = guarantee([one], made).iloc[0]
        assert pd.isna(row.accuracy_change) and pd.isna(row.speedup) and row.held == "unknown"
    found = guarantee([certificate(alpha=None), certificate(**OTHER)], tables)
    alone, pooled = (found.iloc[place] for place in (0, 2))
    assert alone.threshold == "none: the target alone" and alone.held == "identical answers"
    assert pd.isna(alone.accuracy_change_low) and not pd.isna(pooled.accuracy_change_low)
    assert guarantee([], tables).empty and certificates([]).empty


def test_answers_are_the_target_s_own_only_where_no_calibration_found_a_threshold(
    tables: dict[str, pd.DataFrame],
) -> None:
    """Of a pool or of several trainings it takes all of them, as their change is a mean."""
    nothing = guarantee([certificate(alpha=None), certificate(**OTHER, alpha=None)], tables)
    assert nothing.held.eq("identical answers").all() and nothing.accuracy_change_low.isna().all()
    mixed = guarantee([certificate(alpha=None), certificate(replicate=1)], tables)
    assert mixed.held.eq("yes").all() and mixed.accuracy_change_low.notna().all()
    assert mixed.threshold.iloc[0] == "none: the target alone"


def words(template: str, table: pd.DataFrame) -> str:
    return said(
        f"studies/threshold/{template}.html.j2", everything()[0], {"guarantee": table, "certificates": table[:0]}
    )


@pytest.mark.parametrize(
    ("found", "certified", "alone"),
    [
        ([{}, {"replicate": 1}], "0.9 in 2 of 2 calibrations of 1 pair.", ""),
        ([{}, ALONE], "0.9 in 1 of 2 calibrations of 1 pair.", "In 1 of 2 calibrations of 1 pair"),
        ([{}, {**OTHER, "alpha": None}], "0.9 on 1 of 2 pairs.", "On 1 of 2 pairs"),
        ([{}], "0.9 on its only pair.", ""),
        ([{"alpha": None}], "none on its only pair.", "On its only pair"),
    ],
)
def test_pairs_are_counted_and_not_their_calibrations(
    found: list[dict[str, object]], certified: str, alone: str, tables: dict[str, pd.DataFrame]
) -> None:
    table = guarantee([certificate(**one) for one in found], tables)
    assert certified in words("glance", table)
    section = words("section", table)
    assert (f"{alone} no threshold is certified" if alone else "confidence of 95 %. On the benchmarks") in section


def test_what_became_of_the_only_pair_is_told_where_no_pool_is(tables: dict[str, pd.DataFrame]) -> None:
    without = {name: table[table.target != ALL] if "target" in table else table for name, table in tables.items()}
    pair = line(tables["speed"], **PAIR, method="dreamr", benchmark=ALL)
    one, two = (guarantee(found, without) for found in ([certificate()], [certificate(), certificate(**OTHER)]))
    for template in ("glance", "section"):
        text = words(template, one)
        assert f"it is {pair.speedup:.2f} times as fast as the target [" in text and "all pairs together" not in text
        assert "On the benchmarks" not in words(template, two)
        whole = words(template, guarantee([certificate(), certificate(**OTHER)], tables))
        assert whole.count("On the benchmarks") == 1 and "]: all pairs together." in whole
