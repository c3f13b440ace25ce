"""What calibrations found beside what became of it, from certificates by hand and tables of invented scores."""

import pandas as pd
import pytest
from summarised import PAIR, line

from dreamr.certificates import Certificate, Trial
from dreamr.statistics.frame import ALL
from dreamr.studies.threshold.tables import certificates, guarantee

STRICT = Trial(alpha=0.9, problems=120, lost=1, won=1, loss=0, p=0.04, certified=True)
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
    alone, pooled = (guarantee([certificate(alpha=None)], tables).iloc[place] for place in (0, 1))
    assert alone.threshold == "none: the target alone" and alone.held == "identical answers"
    assert pd.isna(alone.accuracy_change_low) and not pd.isna(pooled.accuracy_change_low)
    assert guarantee([], tables).empty and certificates([]).empty
