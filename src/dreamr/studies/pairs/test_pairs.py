"""What there is to gain on a pair: costs of steps and verdicts."""

from math import isnan

import pytest
from factories import ROOT, config, scores

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, score_frame
from dreamr.studies.pairs.tables import pairs, regime
from dreamr.traces import Fit

FILE = ROOT / "config" / "published.yaml"
PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}


def job() -> SummariseJob:
    settings = config()
    quick = settings.statistics.model_copy(update={"resamples": 200})
    return SummariseJob.of(settings.model_copy(update={"statistics": quick}))


def test_costs_of_a_pair_are_those_of_methods_without_overlap() -> None:
    read = (Fit(model="target", tokens=130, fits="yes"), Fit(model="draft", tokens=90, fits="yes"))
    rows = [row.model_copy(update={"fits": read}) for row in scores(config())]
    found = pairs(score_frame(rows), job())
    line = found[(found.target == PAIR["target"]) & (found.draft == PAIR["draft"]) & (found.benchmark == ALL)].iloc[0]

    def of(method: str, mode: str, draft: str = PAIR["draft"]) -> list:
        kept = [row for row in rows if (row.method, row.mode, row.draft) == (method, mode, draft)]
        return [row for row in kept if row.target == PAIR["target"]]

    def per(part: list, name: str) -> float:
        return sum(getattr(row, f"{name}_seconds") for row in part) / sum(getattr(row, name) for row in part)

    target = per(of("target_only", "alone", "none"), "later_owns")
    verdict = per(of("specreason", "alone") + of("schedule_sequential", "alone"), "later_verdicts")
    assert line.target_step_seconds == pytest.approx(target)
    assert line.c == pytest.approx(per(of("draft_only_sapo", "alone"), "later_drafts") / target)
    assert line.v == pytest.approx(verdict / target)
    own = of("target_only", "batched", "none")
    assert line.tokens_per_step == pytest.approx(sum(r.tokens_by_target for r in own) / sum(r.steps for r in own))
    mine = of("dreamr", "batched")
    assert line.acceptance == pytest.approx(sum(r.accepted for r in mine) / sum(r.verified for r in mine))
    assert line.n == len(of("specreason", "alone")) + len(of("schedule_sequential", "alone"))
    assert line.tokens_per_prompt == pytest.approx(130)


def test_a_pair_with_more_sequential_methods_weighs_no_more() -> None:
    """One pair has a second sequential method, whose verdicts take as long as the first one's."""
    rows, given = scores(config()), job()
    usual = [row for row in rows if row.method in ("target_only", "specreason", "dreamr", "draft_only_sapo")]
    own = [row for row in usual if row.method == "specreason" and (row.target, row.draft) == tuple(PAIR.values())]
    slow = {"later_verdicts_seconds": 5.0}
    own = [row.model_copy(update=slow) for row in own]
    usual = [
        row for row in usual if row.method != "specreason" or (row.target, row.draft) != tuple(PAIR.values())
    ] + own
    twice = [*usual, *(row.model_copy(update={"method": "schedule_sequential"}) for row in own)]
    v = [
        pairs(score_frame(part), given).query("target == 'all' and benchmark == 'all'").v.item()
        for part in (usual, twice)
    ]
    assert v[1] == pytest.approx(v[0])


def test_a_verdict_that_asks_no_model_is_no_cost_of_one() -> None:
    rows = score_frame([row for row in scores(config()) if row.method in ("target_only", "specreason", "dreamr")])
    given = job()
    oracle = Method(loop="specreason", verifier="oracle", false_accept=0.0, false_reject=0.0)
    found = pairs(rows, given.model_copy(update={"methods": {**given.methods, "specreason": oracle}}))
    assert found.v.isna().all() and found.target_step_seconds.notna().any()


def test_drafts_of_the_other_target_are_no_cost_of_this_pair() -> None:
    rows, given = scores(config()), job()
    slow = [
        row.model_copy(update={"method": "elsewhere", "later_drafts_seconds": 3 * row.later_drafts_seconds})
        for row in rows
        if row.method == "draft_only_sapo" and row.mode == "alone"
    ]
    methods = given.methods | {"elsewhere": given.methods["draft_only_sapo"]}
    exchanged = given.model_copy(update={"methods": methods, "exchanged": {"elsewhere": {}}})
    assert slow and pairs(score_frame([*rows, *slow]), exchanged).equals(pairs(score_frame(rows), given))


def test_the_regime_stands_beside_that_of_the_paper() -> None:
    found = pairs(score_frame(scores(config())), job())
    beside = regime({"pairs": found}, FILE).set_index("quantity")
    pool = found[(found.target == ALL) & (found.draft == ALL) & (found.benchmark == ALL)].iloc[0]
    assert isnan(pool.tokens_per_prompt), "these scores tell of no prompt"
    assert beside.here["v"] == pytest.approx(pool.v) and beside.here_low["v"] == pytest.approx(pool.v_low)
    assert beside.published["acceptance"] == 0.5261 and isnan(beside.published["v"])
    assert beside.source[["acceptance", "v"]].tolist() == [
        "digest (not checked against the paper)",
        "our sources of the paper do not name it",
    ]
