"""What no schedule can beat: the published numbers by hand, every loop by simulation, the check on measured cells."""

from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from factories import ROOT, calibrated, config, scores
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentences import said
from test_plan import merged
from worlds import METHODS, WIDE, answer, listed, random_pair

from dreamr.engines.virtual import Cost
from dreamr.errors import UserError
from dreamr.planning.jobs import SummariseJob
from dreamr.planning.memory import holdings
from dreamr.planning.plan import Plan
from dreamr.statistics.closed_forms import best_speedup
from dreamr.statistics.frame import ALL, score_frame
from dreamr.statistics.intervals import Bootstrap, ratio
from dreamr.statistics.published import load_published
from dreamr.studies.consistency.bounds import against_bound, refuse_broken
from dreamr.studies.consistency.schedules import hidden_acceptance
from dreamr.studies.consistency.tables import bound, consistency, decoding

FILE = ROOT / "config" / "published.yaml"
PLANNED = "qwen3-vl-2b for qwen3-vl-32b-awq"
PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}

# --- the published numbers ---


@pytest.mark.parametrize(
    ("schedule", "acceptance", "speedup", "cost", "verdict", "most", "needed"),
    [
        ("parallel", 0.5261, 2.38, 0.0, 0.0, 2.11, 1.13),  # 1 / .4739
        ("parallel", 0.5261, 2.38, 0.1, 0.0, 1.90, 1.25),  # 1 / (.05261 + .4739)
        ("parallel", 0.5261, 1.86, 0.0, 0.0, 2.11, 0.88),
        ("parallel", 0.7145, 2.48, 0.0, 0.0, 3.50, 0.71),
        ("sequential", 0.146, 1.18, 0.0, 0.0, 1.171, 1.01),  # 1 / .854
        ("sequential", 0.146, 1.20, 0.0, 0.0, 1.171, 1.02),
        ("sequential", 0.146, 1.18, 0.05, 0.03, 1.071, 1.10),  # 1 / (.05 + .03 + .854)
        ("sequential", 0.146, 1.20, 0.05, 0.03, 1.071, 1.12),
        ("sequential", 0.25, 1.40, 0.0, 0.0, 1.333, 1.05),
    ],
)
def test_bounds_worked_by_hand(
    schedule: str, acceptance: float, speedup: float, cost: float, verdict: float, most: float, needed: float
) -> None:
    found = best_speedup(schedule, acceptance, cost, verdict)
    assert found == pytest.approx(most, abs=0.005)
    assert speedup / found == pytest.approx(needed, abs=0.005)


def test_the_table_says_what_each_number_needs() -> None:
    table = consistency(FILE).set_index(["schedule", "acceptance", "speedup"])
    fast, sequential = table.loc[("parallel", 0.5261, 2.38)], table.loc[("sequential", 0.146, 1.2)]
    assert fast[["bound", "needed_0", "needed_0.1"]].tolist() == pytest.approx([2.110, 1.128, 1.253], abs=0.001)
    assert fast[["hidden_acceptance", "hidden_bound"]].tolist() == pytest.approx([0.816, 5.44], abs=0.005)
    assert sequential[["needed_0", "needed_0.05"]].tolist() == pytest.approx([1.025, 1.121], abs=0.001)
    assert sequential.hidden_acceptance == 0.146 and sequential.hidden_bound == sequential.bound
    assert table.pairing.str.len().min() > 0


def test_dear_drafts_ask_for_longer_answers_of_the_target() -> None:
    """By hand: 1 / (.45 * .5261 + .4739) is 1.41, 1 / (.45 + .03 + .854) .75. Up to c = .12 1.86 asks for nothing."""
    table = consistency(FILE).set_index(["schedule", "acceptance", "speedup"])
    fast, sequential = table.loc[("parallel", 0.5261, 2.38)], table.loc[("sequential", 0.146, 1.2)]
    assert fast["needed_0.45"] == pytest.approx(2.38 * (0.45 * 0.5261 + 0.4739))
    assert sequential["needed_0.45"] == pytest.approx(1.2 * (0.45 + 0.03 + 0.854)) and sequential.verdict == 0.03
    assert np.isnan(fast.largest_cost) and np.isnan(sequential.largest_cost), "not even free drafts do"
    most = table.largest_cost[("parallel", 0.5261, 1.86)]
    assert most == pytest.approx((1 / 1.86 - 0.4739) / 0.5261)
    assert best_speedup("parallel", 0.5261, most) == pytest.approx(1.86)


def test_what_a_draft_costs_by_its_weights_is_shown_with_its_arithmetic() -> None:
    """2.128 billion parameters of 16 bits on two devices; 31.208 of 4 and 2.152 of 16 bits on four."""
    table = decoding(FILE).set_index("text")
    small = table.loc["Qwen3-VL-2B for Qwen3-VL-32B"]
    assert small.draft_gb == pytest.approx(2.128 * 2 / 2)
    assert small.target_gb == pytest.approx((31.208 / 2 + 2.152 * 2) / 4)
    assert small.c == pytest.approx(2.128 / 4.977) and small.target_devices == 4
    whole = table.loc["Qwen3-VL-2B for Qwen3-VL-32B, were the target not quantized"]
    assert whole.c == pytest.approx(2.128 / (33.36 * 2 / 4))


def test_what_the_target_s_answers_need_at_the_cost_of_a_2b_draft() -> None:
    """By hand: c = .4276; 2.38 * (.4276 * .5261 + .4739) is 1.663, 2.48 * (.4276 * .7145 + .2855) 1.466."""
    needed = consistency(FILE).set_index(["schedule", "acceptance", "speedup"]).needed_decoding
    assert needed["parallel", 0.5261, 2.38] == pytest.approx(1.663, abs=0.001)
    assert needed["parallel", 0.7145, 2.48] == pytest.approx(1.466, abs=0.001)
    assert needed["sequential", 0.146, 1.2] == pytest.approx(1.2 * (2.128 / 4.977 + 0.03 + 0.854))


def test_gb_that_are_held_are_those_of_the_plan() -> None:
    """2.1 of 5.5 GB: .38; of a pair that the plan was not asked of nothing is said."""
    found = {one.holder: one.weights_gb for one in holdings(Plan(merged("config/paper.yaml"))) if one.models == PLANNED}
    pair = load_published(FILE).decoding[0]
    assert pair.held and (pair.held.draft, pair.held.target) == (round(found["draft"], 1), round(found["target"], 1))
    table = decoding(FILE)
    assert table.c_held[0] == pytest.approx(0.38, abs=0.005) and table.c_held[1:].isna().all()


def test_sizes_that_costs_are_worked_out_from_are_those_of_the_paper_s_scale() -> None:
    """So that two files do not say two things of one model."""
    planned = merged("config/paper.yaml").estimates.models
    seen = {(one.parameters, one.kept) for pair in load_published(FILE).decoding for one in (pair.draft, pair.target)}
    large, mixed = planned["qwen3-vl-32b"], planned["qwen3-vl-235b-awq"]
    assert seen == {
        (planned["qwen3-vl-2b"].parameters, 0), (planned["qwen3-vl-4b"].parameters, 0),
        (large.parameters, large.kept), (large.parameters, 0), (mixed.active, mixed.kept),
    }  # fmt: skip


def test_the_section_says_what_is_assumed() -> None:
    bound = pd.DataFrame(columns=["target", "draft", "method", "benchmark"])
    tables = {"consistency": consistency(FILE), "decoding": decoding(FILE), "bound": bound}
    text = said("studies/consistency/section.html.j2", config(), tables)
    assert "there each costs v = 0.03 of a target's step. That is assumed here and published nowhere" in text
    assert "With Qwen3-VL-2B for Qwen3-VL-32B c is then 2.13 / 4.98 = 0.43" in text
    assert "an assumption, not a measurement" in text
    assert "config/paper.yaml puts on each GPU, read for each token or not, it is 0.38" in text
    assert "At c = 0.43 the target's own answers have to be 1.66 times as long as the method's for 2.38" in text
    assert "1.47 times as long as the method's for 2.48" in text and "1 / (c a + 1 − a)" in text


def test_what_no_source_names_is_no_number() -> None:
    numbers = {one.quantity: one for one in load_published(FILE).regime}
    assert {name for name, one in numbers.items() if one.value is None} == {
        "c", "v", "tokens_per_step", "tokens_per_prompt",
    }  # fmt: skip


def test_a_wrong_number_is_named(tmp_path: Path) -> None:
    entry = yaml.safe_load(FILE.read_text())
    entry["speedups"][0]["acceptance"] = 52.61
    (tmp_path / "published.yaml").write_text(yaml.safe_dump(entry))
    with pytest.raises(UserError, match=r"published.yaml: (?s:.*)acceptance(?s:.*)less than 1"):
        load_published(tmp_path / "published.yaml")


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (("window",), "window.source"),
        (("speedups", 0), "speedups.0.source"),
        (("regime", 0), "regime.0.source"),
        (("regime", 4), "regime.4(?s:.*)acceptance: value and source"),
    ],
)
def test_a_number_without_a_source_is_refused(tmp_path: Path, place: tuple[str | int, ...], told: str) -> None:
    """None is a source only where there is no number."""
    tree = yaml.safe_load(FILE.read_text())
    entry = reduce(getitem, place, tree)
    entry["source"] = None if place == ("regime", 4) else "assessment"
    (tmp_path / "published.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(UserError, match=rf"published.yaml: (?s:.*){told}"):
        load_published(tmp_path / "published.yaml")


@given(st.floats(0.01, 0.99), st.integers(1, 8), st.integers(1, 200))
def test_hidden_acceptance_by_counting(acceptance: float, window: int, rejections: int) -> None:
    """Each rejection drops as much as the window holds: counted step by step, the true share is found again."""
    verified = rejections / (1 - acceptance)
    drafted = verified + (window - 1) * rejections
    assert hidden_acceptance(acceptance * verified / drafted, window) == pytest.approx(acceptance)


# --- every loop, simulated ---

COSTS = st.builds(
    Cost,
    decode=st.just(1.0),
    prefill=st.sampled_from((0.0, 0.2)),
    request=st.sampled_from((0.0, 2.0)),
    verdict=st.sampled_from((0.0, 0.5)),
    crowding=st.sampled_from((0.0, 0.3)),
)


@settings(deadline=None, max_examples=150)
@example(7373, "fpsr", Cost(decode=1.0, prefill=0.2), 0.0)
@given(st.integers(0, 10**6), st.sampled_from(("specreason", "lookahead", "fpsr")), COSTS, st.floats(0, 1))
def test_no_schedule_beats_what_the_target_wrote(seed: int, loop: str, cost: Cost, draft: float) -> None:
    """Free drafts at best: an answer takes the target's own time for its tokens, whatever else runs at once.

    The target's own time leaves reading out: on this clock a prompt is known to others from the moment that one request
    begins to read it, so whoever comes second writes before it is read. No engine does that.
    """
    pair = random_pair(seed)
    alone, by_itself = answer("target_only", pair, (replace(cost, prefill=0.0), Cost(draft)), WIDE)
    seconds, outcome = answer(loop, pair, (cost, Cost(draft)), WIDE)
    written = sum(step.tokens for step in outcome.steps if step.writer == "target")
    assert seconds >= alone * min(1.0, written / by_itself.tokens) - 1e-9


def test_the_bound_is_reached_by_free_drafts_and_verdicts() -> None:
    """Two of four equal steps are the target's: half of its time, and S * tau * L1 / L0 is 1."""
    steps = ("t 1", "t 2", "t 3", "Answer: 1")
    pair = (listed(steps, (0.9, 0.0, 0.9, 0.0)), listed(("d 1", "d 2", "d 3", "Answer: 2")))
    alone, _ = answer("target_only", pair, (Cost(1.0), Cost(0.0)))
    seconds, outcome = answer(METHODS["fpsr"], pair, (Cost(1.0), Cost(0.0)))
    assert [step.writer for step in outcome.steps] == ["draft", "target", "draft", "target"]
    written = sum(step.tokens for step in outcome.steps if step.writer == "target")
    assert alone / seconds * written / sum(step.tokens for step in outcome.steps) == pytest.approx(1.0)


# --- measured cells ---


def job() -> SummariseJob:
    settings = config()
    quick = settings.statistics.model_copy(update={"resamples": 200})
    return SummariseJob.of(settings.model_copy(update={"statistics": quick}))


def frame(methods: tuple[str, ...] = ("target_only", "dreamr", "ngram"), **changes: float) -> pd.DataFrame:
    rows = [row for row in scores(config()) if row.method in methods]
    slow = {"seconds": 1.0, "baseline_seconds": 1.0, "tokens": 10, "own_tokens": 10}
    timed = [row.model_copy(update=slow | changes if row.method == "dreamr" else slow) for row in rows]
    return score_frame(timed)


def test_a_cell_is_measured_against_what_the_target_wrote() -> None:
    """Four of ten tokens by the target, twice as fast: .8 of the bound; the target and n-grams are not asked."""
    table = against_bound(frame(seconds=0.5, own_tokens=4), job())
    found = table[(table.target == ALL) & (table.draft == ALL) & (table.benchmark == ALL)]
    assert set(table.method) == {"dreamr"}
    assert found[["speedup", "written_by_target", "share_of_bound", "limit"]].to_numpy() == pytest.approx(
        np.array([[2.0, 0.4, 0.8, 1.0]])
    )
    refuse_broken(table)


def test_what_fell_back_to_the_target_alone_is_held_against_no_bound() -> None:
    """It is timed against itself: half of the time such a cell is beyond 1 by noise."""
    rows = frame(seconds=0.5, drafted=0, verified=0, accepted=0)
    table = against_bound(rows, calibrated(job(), "dreamr"))
    assert table.empty and not against_bound(rows, job()).empty
    kept = rows.assign(drafted=rows.drafted + (rows.target == PAIR["target"]))
    assert {*against_bound(kept, calibrated(job(), "dreamr")).target} == {PAIR["target"]}


def test_an_impossible_cell_stops_the_tables_with_its_numbers() -> None:
    rows = frame(own_tokens=4)
    rng = np.random.default_rng(0)
    fast = (rows.method == "dreamr") & (rows.target == PAIR["target"]) & (rows.draft == PAIR["draft"])
    rows.loc[fast, "seconds"] = 0.2 * rng.uniform(0.9, 1.1, fast.sum())  # the target needs .4 of a second
    told = r"q3vl-deep-awq ← q3vl-2l, dreamr, all: speed-up \d\.\d\d with 40% written by the target, "
    with pytest.raises(
        UserError, match=told + r"[12]\.\d\d of what is possible \(1\.\d\d to .*; at most 1\.00\)"
    ) as told_by:
        bound(rows, job())
    assert "moe" not in str(told_by.value) and "q3vl-3l" not in str(told_by.value)


def test_three_timed_questions_decide_nothing() -> None:
    few = frame(seconds=0.01)
    few = few[(few["mode"] == "batched") | few.question.isin(("q0", "q1", "q2")) & (few.benchmark == "mmmu")]
    table = against_bound(few, job())
    mine = table[table.target == PAIR["target"]]
    assert len(mine) and (mine.share_of_bound > 50).all() and mine.share_of_bound_low.isna().all()
    refuse_broken(table)


@pytest.mark.parametrize(("truth", "most"), [(1.0, 0.02), (0.9, 0.0)])
def test_noise_fails_no_honest_run(truth: float, most: float) -> None:
    """At the very bound, with twelve questions and a fifth of noise, hardly a cell is refused; below it none."""
    rng, sampling, refused = np.random.default_rng(1), Bootstrap(400, 0.95, 0), 0
    for _ in range(500):
        least, seconds, control = (rng.lognormal(0, 0.2, 12) for _ in range(3))
        sums = {"least": truth * least, "seconds": seconds, "control": control, "twin": rng.lognormal(0, 0.2, 12)}
        found = sampling.intervals(sums, {"share": ratio("least", "seconds"), "drift": ratio("twin", "control")})
        refused += found["share"].low > max(1.0, found["drift"].high)
    assert refused <= most * 500
