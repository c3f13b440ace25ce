"""Claims of the paper: every rule reads the tables that exist, and verdicts follow the intervals."""

from math import nan
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from dreamr.errors import UserError
from dreamr.statistics.claims import Check, PaperClaim, judged, load_claims, outcome, verdict
from dreamr.statistics.intervals import Interval

FILE = Path(__file__).parents[1] / "config" / "claims.yaml"
ROW = {"target": "t", "draft": "d", "method": "m", "benchmark": "b"}


def claim(*tests: Check, scale: str = "any") -> PaperClaim:
    return PaperClaim(id="c", text="", source="", scale=scale, section="speed", tests=tests)


def speeds(*rows: tuple[str, float, float, float]) -> dict[str, pd.DataFrame]:
    columns = ["method", "speedup", "speedup_low", "speedup_high"]
    return {"speed": pd.DataFrame(rows, columns=columns).assign(target="t", draft="d", benchmark="b")}


@pytest.mark.parametrize(
    ("bound", "low", "high", "expected"),
    [
        ({"above": 1}, 1.1, 1.2, "met"),
        ({"above": 1}, 0.8, 0.9, "broken"),
        ({"above": 1}, 0.9, 1.1, "open"),
        ({"below": 0}, -2, -1, "met"),
        ({"below": 0}, 1, 2, "broken"),
        ({"contains": 2.4}, 2, 3, "met"),
        ({"contains": 2.4}, 2.5, 3, "broken"),
        ({"above": 1}, nan, nan, "open"),
    ],
)
def test_an_outcome_is_where_the_interval_lies(bound: dict, low: float, high: float, expected: str) -> None:
    assert outcome(Check(table="speed", row=ROW, quantity="speedup", **bound), Interval(1, low, high)) == expected


def test_one_broken_test_refutes_and_all_must_be_met() -> None:
    assert verdict(claim(), ["met", "met"], "micro") == "consistent"
    assert verdict(claim(), ["met", "open"], "micro") == "inconclusive"
    assert verdict(claim(), ["met", "open", "broken"], "micro") == "inconsistent"
    assert verdict(claim(), [], "micro") == "inconclusive"
    assert verdict(claim(scale="paper"), ["broken"], "micro") == "not testable at this scale"
    assert verdict(claim(scale="paper"), ["broken"], "paper") == "inconsistent"


@pytest.mark.parametrize(("faster", "expected"), [((1.5, 1.4, 1.6), "consistent"), ((1.25, 1.1, 1.4), "inconclusive")])
def test_rows_are_told_apart_by_their_intervals(faster: tuple, expected: str) -> None:
    test = Check(table="speed", row={"method": "slow"}, quantity="speedup", below_row={"method": "fast"})
    tables = speeds(("slow", 1.2, 1.1, 1.3), ("fast", *faster))
    found = judged([claim(test)], tables, "micro").iloc[0]
    assert found.verdict == expected
    assert "speedup of t ← d, slow, b: 1.2 (1.1 to 1.3)" in found.evidence


def test_what_was_not_run_is_inconclusive_and_what_cannot_be_asked_is_an_error() -> None:
    absent = Check(table="speed", row={"method": "absent"}, quantity="speedup", above=1)
    assert judged([claim(absent)], speeds(("m", 2, 1.5, 2.5)), "micro").verdict.tolist() == ["inconclusive"]
    misspelt = Check(table="speed", row=ROW, quantity="sped", above=1)
    with pytest.raises(UserError, match="sped, sped_low"):
        judged([claim(misspelt)], speeds(("m", 2, 1.5, 2.5)), "micro")


def test_a_test_has_exactly_one_bound() -> None:
    with pytest.raises(ValidationError, match="one of above"):
        Check(table="speed", row=ROW, quantity="speedup", above=1, below=2)


def test_the_paper_s_claims_are_complete_and_misprints_are_never_goals() -> None:
    claims = {entry.id: entry for entry in load_claims(FILE)}
    assert len(claims) >= 30
    for name in ("32b-2b-mmbench", "32b-2b-mmmu"):
        assert claims[name].doubt and not claims[name].tests
    for entry in claims.values():
        assert entry.tests or entry.scale == "paper", f"{entry.id} promises a test"


def test_a_broken_claim_is_named(tmp_path: Path) -> None:
    claim = {"id": "fast", "text": "Fast.", "source": "abstract", "scale": "any", "section": "speed", "test": []}
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump([claim]))
    with pytest.raises(UserError, match=r"claims.yaml, claim 'fast': (?s:.*)test\n"):
        load_claims(tmp_path / "claims.yaml")
