"""Claims of the paper: every rule reads the tables that exist, and verdicts follow contrasts and intervals."""

import re
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from factories import config
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dreamr.errors import UserError
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.claims import Check, PaperClaim, judged, load_claims
from dreamr.statistics.intervals import Interval, p_of_interval
from dreamr.statistics.paired import ONE_TRAINING

FILE = Path(__file__).parents[1] / "config" / "claims.yaml"
ROW = {"target": "t", "draft": "d", "method": "m", "benchmark": "b"}


def claim(*tests: Check, scale: str = "any") -> PaperClaim:
    return PaperClaim(id="c", text="", source="abstract", scale=scale, section="speed", tests=tests)


def contrast(method: str, value: float, low: float, high: float, p: float, over: str = "questions") -> dict[str, Any]:
    """A row of the table of contrasts."""
    numbers = {"speed_ratio": value, "speed_ratio_low": low, "speed_ratio_high": high, "speed_ratio_p": p}
    place = {"target": "t", "draft": "d", "method": method, "other": "o", "benchmark": "b", "over": over}
    return {**place, "n": 1288, "n_alone": 96, **numbers}


def verdict_on(*rows: dict[str, Any], scale: str = "any", at: str = "micro", **bound: float) -> tuple[str, str]:
    """Verdict and evidence of a claim that all rows of a table of contrasts keep the bound."""
    check = Check(table="contrasts", row={"benchmark": "b"}, quantity="speed_ratio", **bound)
    job = SummariseJob.of(config()).model_copy(update={"scale": at, "taught": at not in ("gpu", "paper")})
    found = judged([claim(check, scale=scale)], {"contrasts": pd.DataFrame(rows)}, job).iloc[0]
    return found.verdict, found.evidence


@pytest.mark.parametrize(
    ("bound", "value", "p", "expected"),
    [
        ({"above": 1}, 1.2, 0.04, "consistent"),
        ({"above": 1}, 0.9, 0.04, "inconsistent"),
        ({"above": 1}, 1.2, 0.06, "inconclusive"),
        ({"below": 1}, 0.9, 0.04, "consistent"),
        ({"below": 1}, 1.2, 0.04, "inconsistent"),
        ({"above": 1}, 1.2, nan, "inconclusive"),
    ],
)
def test_methods_are_told_apart_by_the_p_of_their_contrast(
    bound: dict[str, float], value: float, p: float, expected: str
) -> None:
    assert verdict_on(contrast("m", value, nan, nan, p), **bound)[0] == expected


@pytest.mark.parametrize(
    ("bound", "low", "high", "expected"),
    [
        ({"above": 2}, 2.1, 3.1, "consistent"),
        ({"above": 2}, 1.9, 3.3, "inconclusive"),
        ({"above": 4}, 2.1, 3.1, "inconsistent"),
        ({"contains": 2.4}, 2, 3, "consistent"),
        ({"contains": 2.4}, 2.5, 3, "inconsistent"),
        ({"above": 2}, nan, nan, "inconclusive"),
    ],
)
def test_any_other_number_is_told_by_the_interval(
    bound: dict[str, float], low: float, high: float, expected: str
) -> None:
    assert verdict_on(contrast("m", 2.6, low, high, 1e-9), **bound)[0] == expected


@given(st.floats(-5, 5), st.floats(0.1, 2), st.floats(0.1, 2), st.floats(-9, 9))
def test_the_p_of_an_interval_is_below_the_level_where_it_leaves_the_bound_out(
    value: float, below: float, above: float, bound: float
) -> None:
    interval = Interval(value, value - below, value + above)
    inside = interval.low < bound < interval.high
    if min(abs(bound - interval.low), abs(bound - interval.high)) > 1e-6:
        assert (p_of_interval(interval, bound, 0.95) > 0.05) == inside


def test_one_of_many_tests_is_not_broken_by_chance() -> None:
    """p = .03 breaks a claim of one test; of three tests it breaks none, and the claim is not met either."""
    against, fair = contrast("m", 0.9, 0.8, 1.0, 0.03), contrast("m", 1.1, 0.9, 1.3, 0.4)
    assert verdict_on(against, above=1)[0] == "inconsistent"
    assert verdict_on(against, fair, fair, above=1)[0] == "inconclusive"
    assert verdict_on({**against, "speed_ratio_p": 0.01}, fair, fair, above=1)[0] == "inconsistent"


def test_a_recipe_of_one_training_is_inconclusive_and_says_so() -> None:
    row = contrast("m", 1.2, 1.1, 1.3, 0.001, over=ONE_TRAINING)
    told, evidence = verdict_on(row, above=1)
    assert told == "inconclusive" and "rests on one training" in evidence
    told, evidence = verdict_on({**row, "over": "questions and trainings", "trainings": 5}, above=1)
    assert told == "consistent" and "one training" not in evidence
    assert evidence == (
        "M is 1.20 times as fast as o [1.10, 1.30], 96 timed answers of t ← d on b, 5 trainings "
        "(p 0.001, over questions and trainings)."
    )


def test_a_p_that_is_not_against_no_difference_says_against_what() -> None:
    _, evidence = verdict_on(contrast("m", 2.1, 1.84, 2.42, 0.001), above=2)
    assert re.search(r"\(p 0\.\d+ against 2\.00x?, over questions\)", evidence), evidence
    assert "against" not in verdict_on(contrast("m", 2.1, 1.84, 2.42, 0.001), above=1)[1]


def test_the_evidence_of_many_rows_is_the_pool_s_sentence_and_the_numbers_of_the_others() -> None:
    pool = {**contrast("dreamr", 2.1, 1.84, 2.42, 0.0001), "target": "all", "draft": "all", "benchmark": "all"}
    single = contrast("dreamr", 1.9, nan, nan, nan, over="")
    check = Check(table="contrasts", row={"method": "dreamr"}, quantity="speed_ratio", above=1)
    tables, job = {"contrasts": pd.DataFrame([single, {**pool, "other": "target_only"}])}, SummariseJob.of(config())
    assert judged([claim(check)], tables, job).evidence.tolist() == [
        "DREAM-R is 2.10 times as fast as the target alone [1.84, 2.42], 96 timed answers of 8 "
        "pairs (p <0.001, over questions). Apart: t ← d on b 1.90."
    ]


def test_a_claim_is_tested_on_all_pairs_together_and_on_each_only_where_there_is_no_pool() -> None:
    """Eight pairs of few questions leave open, each by itself, what all of them together decide."""
    whole = {"target": "all", "draft": "all"}
    pool = {**contrast("m", 1.2, 1.1, 1.3, 0.001), **whole}
    pairs = [{**contrast("m", 1.2, 0.8, 1.8, 0.4), "draft": f"d{n}"} for n in range(8)]
    of_a_target = {**contrast("m", 1.2, 0.8, 1.8, 0.4), "draft": "all"}
    told, evidence = verdict_on(pool, of_a_target, *pairs, above=1)
    assert told == "consistent" and evidence.count("t ← d") == 8, "pairs stand beside it"
    assert verdict_on(*pairs, above=1)[0] == "inconclusive"
    open_pool = {**contrast("m", 1.2, 0.9, 1.5, 0.2), **whole}
    assert verdict_on(open_pool, {**pairs[0], "speed_ratio_p": 0.001}, above=1)[0] == "inconclusive"


def test_what_is_left_open_names_its_pair() -> None:
    rows = [{**contrast("m", 1.2, 0.8, 1.8, 0.4), "draft": draft} for draft in ("d", "e")]
    check = Check(table="contrasts", row={"method": "m"}, quantity="speed_ratio", above=1)
    told = judged([claim(check)], {"contrasts": pd.DataFrame(rows)}, SummariseJob.of(config())).open.iloc[0]
    assert "(t ← d on b)" in told and "(t ← e on b)" in told


@pytest.mark.parametrize(
    ("scale", "at", "value", "expected"),
    [
        ("planted", "micro", 1.2, "planted effect found"),
        ("planted", "depth", 0.8, "planted effect not found"),
        ("planted", "paper", 1.2, "consistent"),
        ("gpu", "micro", 1.2, "not testable at this scale"),
        ("gpu", "gpu", 1.2, "consistent"),
        ("paper", "gpu", 0.8, "not testable at this scale"),
        ("paper", "paper", 0.8, "inconsistent"),
    ],
)
def test_a_verdict_says_no_more_than_its_scale_can(scale: str, at: str, value: float, expected: str) -> None:
    assert verdict_on(contrast("m", value, nan, nan, 0.01), scale=scale, at=at, above=1)[0] == expected


def test_what_is_undecided_is_inconclusive_planted_or_not() -> None:
    assert verdict_on(contrast("m", 1.2, nan, nan, 0.5), scale="planted", above=1)[0] == "inconclusive"


def test_what_was_not_run_is_told_and_what_cannot_be_asked_is_an_error() -> None:
    job, tables = SummariseJob.of(config()), {"contrasts": pd.DataFrame([contrast("m", 2, 1.5, 2.5, 0.01)])}
    absent = Check(table="contrasts", row={"method": "alpha_05", "other": "dreamr"}, quantity="speed_ratio", above=1)
    found = judged([claim(absent)], tables, job).iloc[0]
    assert (found.verdict, found.evidence) == ("not run", "DREAM-R (alpha 0.5) against DREAM-R: not measured.")
    half = judged([claim(absent, absent.model_copy(update={"row": {"benchmark": "b"}}))], tables, job).iloc[0]
    assert half.verdict == "inconclusive" and "DREAM-R (alpha 0.5) against DREAM-R: not measured." in half.evidence
    assert (found.unmeasured, half.unmeasured) == (1, 1)
    elsewhere = Check(table="contrasts", row=ROW, quantity="overlap", above=1)
    with pytest.raises(UserError, match="overlap, overlap_low"):
        judged([claim(elsewhere)], tables, job)


def test_what_was_run_and_not_measured_is_no_evidence() -> None:
    """As the speed of methods that are held to each other for their accuracy alone."""
    untimed = contrast("alpha_05", nan, nan, nan, nan)
    assert verdict_on(untimed, above=1)[0] == "not run"
    verdict, evidence = verdict_on(untimed, contrast("dreamr", 2, 1.5, 2.5, 0.01), above=1)
    assert verdict == "consistent" and "\N{EN DASH} times" not in evidence


def test_a_claim_says_once_that_a_table_lacks_it_and_nothing_where_its_scale_forbids_it() -> None:
    row = {"method": "dreamr", "benchmark": "all"}
    checks = [Check(table="split", row=row, quantity="overlap", above=bound) for bound in (1, 2)]
    tables, job = {"split": pd.DataFrame()}, SummariseJob.of(config())
    assert judged([claim(*checks)], tables, job).evidence.tolist() == ["DREAM-R: not in the table split."]
    assert judged([claim(*checks, scale="paper")], tables, job).evidence.tolist() == [""]
    assert judged([claim(scale="any")], tables, job).verdict.tolist() == ["not tested"]


def test_a_test_has_exactly_one_bound_and_a_sentence() -> None:
    with pytest.raises(ValidationError, match="one of above"):
        Check(table="speed", row=ROW, quantity="speedup", above=1, below=2)
    with pytest.raises(ValidationError, match="no sentence tells of 'sped'; give one, or allowed: speedup, "):
        Check(table="speed", row=ROW, quantity="sped", above=1)
    with pytest.raises(ValidationError, match="no number looks like 'hours'; allowed: share, "):
        Check(table="speed", row=ROW, quantity="sped", above=1, sentence=("{method} takes {value}", "hours"))


def test_a_claim_may_bring_the_sentence_of_its_quantity() -> None:
    told = ("{method} takes {value} steps", "count")
    check = Check(table="lengths", row=ROW, quantity="steps", above=1, sentence=told)
    table = pd.DataFrame([{**ROW, "n": 7, "steps": 4.0, "steps_low": 3.0, "steps_high": 5.0}])
    (found,) = judged([claim(check)], {"lengths": table}, SummariseJob.of(config())).evidence
    assert found.startswith("M takes 4 steps [3, 5], 7 answers of t ← d on b (p ")


def test_a_verdict_says_on_what_it_depends() -> None:
    """Where SpecReason accepts nine of ten steps it may be the faster; the paper's accepts one in seven."""
    (known,) = (entry for entry in load_claims(FILE) if entry.id == "specreason-below-lookahead")
    pool = {"target": "all", "draft": "all", "benchmark": "all", "n": 904}
    ratio = {"speed_ratio": 1.21, "speed_ratio_low": 1.18, "speed_ratio_high": 1.24, "speed_ratio_p": 0.001}
    contrasts = pd.DataFrame([pool | ratio | {"method": "specreason", "other": "lookahead", "n_alone": 64}])
    accepted = {"acceptance": 0.898, "acceptance_low": 0.876, "acceptance_high": 0.916}
    acceptance = pd.DataFrame([pool | accepted | {"method": name} for name in ("specreason", "lookahead", "dreamr")])
    job = SummariseJob.of(config())
    found = judged([known], {"contrasts": contrasts, "acceptance": acceptance}, job).iloc[0]
    assert found.verdict == "inconsistent" and "14.60 %" in found.remark and "depends_on" not in found
    told = "It depends on this. The target accepts 89.8 % of the steps that it verifies in SpecReason [87.6, 91.6]. The"
    assert told in found.evidence and found.evidence.endswith("in Lookahead Reasoning [87.6, 91.6].")
    alone = judged([known], {"contrasts": contrasts}, job).iloc[0]
    assert alone.verdict == "inconsistent" and "depends" not in alone.evidence
    assert "depends" not in judged([known], {"acceptance": acceptance}, job).iloc[0].evidence, "it was not run"


def test_four_claims_are_the_headline_and_each_can_be_tested_everywhere() -> None:
    headline = [entry for entry in load_claims(FILE) if entry.headline]
    assert len(headline) == 4
    assert all(entry.tests and entry.scale in ("any", "planted") for entry in headline)


def test_the_paper_s_claims_are_complete_and_doubted_numbers_are_never_goals() -> None:
    claims = {entry.id: entry for entry in load_claims(FILE)}
    assert len(claims) >= 30
    for name in ("32b-2b-mmbench", "32b-2b-mmmu"):
        doubt = claims[name].doubt
        assert doubt and doubt.startswith("Misread by the digest, or a misprint; to be checked against the paper:")
        assert not claims[name].tests
    for entry in claims.values():
        assert entry.tests or entry.scale == "paper", f"{entry.id} promises a test"


def test_a_broken_claim_is_named(tmp_path: Path) -> None:
    claim = {"id": "fast", "text": "Fast.", "source": "abstract", "scale": "any", "section": "speed", "test": []}
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump([claim]))
    with pytest.raises(UserError, match=r"claims.yaml, claim 'fast': test: unknown key \(found: \[\]\)$"):
        load_claims(tmp_path / "claims.yaml")


def test_a_claim_names_a_run_that_is_kept(tmp_path: Path) -> None:
    """A run that is mistyped would decide nothing, and nobody would see it."""
    claim = {"id": "fast", "text": "Fast.", "source": "abstract", "scale": "any", "section": "speed"}
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump([{**claim, "decided_in": "acuracy"}]))
    with pytest.raises(
        UserError, match=r"claim 'fast': decided_in: Input should be 'depth', 'ablations' or 'accuracy'"
    ):
        load_claims(tmp_path / "claims.yaml")


@pytest.mark.parametrize(
    ("source", "told"), [({}, "Field required"), ({"source": "digests"}, "Input should be 'abstract', 'opening' or ")]
)
def test_a_claim_names_one_of_the_sources(tmp_path: Path, source: dict[str, str], told: str) -> None:
    claim = {"id": "fast", "text": "Fast.", "scale": "any", "section": "speed", **source}
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump([claim]))
    with pytest.raises(UserError, match=rf"claims.yaml, claim 'fast': source: {told}"):
        load_claims(tmp_path / "claims.yaml")


def test_a_verdict_stands_beside_the_source_of_its_claim() -> None:
    tables = {"contrasts": pd.DataFrame()}
    told = claim().model_copy(update={"remark": "figure 6"})
    assert judged([told], tables, SummariseJob.of(config()))[["source", "remark"]].iloc[0].to_list() == [
        "abstract",
        "figure 6",
    ]
