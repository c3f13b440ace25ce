"""Load: what becomes of a block's clock, by hand."""

from math import inf

import numpy as np
import pandas as pd
import pytest
from factories import config
from hypothesis import given
from hypothesis import strategies as st

from dreamr.planning.jobs import SummariseJob
from dreamr.scores import Score
from dreamr.statistics.frame import score_frame
from dreamr.studies.acceptance.tables import acceptance
from dreamr.studies.load.tables import _first_zero, break_even, load
from dreamr.studies.speed.tables import speed
from dreamr.traces import Load

JOB = SummariseJob.of(config())
SIZES = (1, 2, 4)
GAINS = {1: 2.0, 2: 1.25, 4: 0.5}  # of a block's wall clock; latencies gain as much


def score(block: int, at_once: int, number: int, gain: float, **changes: object) -> Score:
    """One of three answers of a block that took target-only 12 s, each of its questions 1, 2 or 3 s."""
    seconds = 1.0 + number
    told = Load(at_once=at_once, block=block, questions=3, seconds=12 / gain, baseline_seconds=12.0)
    return Score(
        question=f"{block}-{number}", benchmark="mmmu", target="t", draft="d", method="dreamr", mode="load",
        cluster=f"{block}-{number}", version="", category="", origin="", parsed="A", correct=True, unresolved=False,
        truncated=False, same_text=None, drafted=4, verified=4, accepted=3, tokens=30, draft_tokens=30,
        target_tokens=40, seconds=seconds / gain, baseline_seconds=seconds, draft_busy=0.1, target_busy=0.2,
        tokens_by_target=30, device="test", load=told,
    ).model_copy(update=changes)  # fmt: skip


def scores(blocks: int = 8, spread: float = 0.0) -> list[Score]:
    dice = np.random.default_rng(0)
    gains = {(block, n): GAINS[n] * float(np.exp(spread * dice.normal())) for block in range(blocks) for n in SIZES}
    return [score(block, n, number, gain) for (block, n), gain in gains.items() for number in range(3)]


def test_latency_and_throughput_are_those_of_whole_blocks() -> None:
    table = load(score_frame(scores()), JOB).set_index("at_once")
    assert table.speedup.to_dict() == pytest.approx(GAINS) == table.throughput_ratio.to_dict()
    assert table.seconds[1] == pytest.approx(1.0) and table.baseline_seconds[1] == pytest.approx(2.0)
    assert table.baseline_throughput[4] == pytest.approx(3 / 12)
    assert table.throughput[4] == pytest.approx(3 / 24)
    assert set(table.n) == {24} and set(table.clusters) == {8}


def test_a_slow_block_weighs_by_its_seconds() -> None:
    """Two blocks of 12 s by target-only, one answered in 6 s, one in 24 s: 24 / 30."""
    rows = [score(block, 1, number, gain) for block, gain in ((0, 2.0), (1, 0.5)) for number in range(3)]
    table = load(score_frame(rows), JOB)
    assert table.throughput_ratio.item() == pytest.approx(24 / 30)
    assert table.throughput_ratio_low.isna().all(), "two blocks say nothing about spread"


def test_the_break_even_lies_between_the_loads_around_it() -> None:
    """log 1.25 above and log .5 below: on the line over log n at 2 * 2 ** (log 1.25 / log 2.5)."""
    found = break_even(score_frame(scores(spread=0.05)), JOB).iloc[0]
    exact = 2 * 2 ** (np.log(1.25) / np.log(2.5))
    assert found.speedup == pytest.approx(exact, rel=0.1)
    assert found.speedup_low < found.speedup < found.speedup_high and found.largest == 4
    by_hand = break_even(score_frame(scores()), JOB).iloc[0]
    assert by_hand.throughput_ratio == pytest.approx(exact) and np.isnan(by_hand.throughput_ratio_low)


@pytest.mark.parametrize(("gains", "at"), [({1: 0.9, 2: 1.5, 4: 1.5}, 0), ({1: 2, 2: 1.5, 4: 1.01}, 4)])
def test_a_method_may_never_pay_or_always(gains: dict[int, float], at: float) -> None:
    rows = [score(block, n, number, gains[n]) for block in range(8) for n in SIZES for number in range(3)]
    assert break_even(score_frame(rows), JOB).speedup.item() == at


def test_a_block_with_a_refusal_is_left_out_for_every_method() -> None:
    rows = [row.model_copy(update={"method": name}) for row in scores() for name in ("dreamr", "dreamr_ns")]
    spoilt = score(3, 2, 1, GAINS[2], refusal="too long", refused_by="t")
    rows = [spoilt if (row.method, row.question, row.load.at_once) == ("dreamr", "3-1", 2) else row for row in rows]
    table = load(score_frame(rows), JOB).set_index(["method", "at_once"])
    assert table.clusters["dreamr", 2] == table.clusters["dreamr_ns", 2] == 7
    assert table.clusters["dreamr", 4] == 8


def test_answers_under_load_are_in_no_other_table() -> None:
    timed = [score(0, 1, number, 2.0, mode="alone", load=None) for number in range(3)]
    answered = [row.model_copy(update={"mode": "batched"}) for row in timed]
    for make in (speed, acceptance):
        pd.testing.assert_frame_equal(
            make(score_frame([*answered, *timed, *scores()]), JOB), make(score_frame([*answered, *timed]), JOB)
        )


def test_without_load_the_tables_are_empty_and_keep_their_columns() -> None:
    rows = score_frame([score(0, 1, 0, 1.0, mode="alone", load=None)])
    assert load(rows, JOB).empty and break_even(rows, JOB).empty
    assert "throughput_ratio_low" in load(rows, JOB) and "speedup_low" in break_even(rows, JOB)


@given(st.lists(st.floats(-2, 2).filter(lambda gain: abs(gain) > 0.01), min_size=2, max_size=6))
def test_the_first_zero_is_found_as_by_walking_along(gains: list[float]) -> None:
    places = np.arange(len(gains), dtype=float)
    lost = next((place for place, gain in enumerate(gains) if gain < 0), None)
    found = float(_first_zero(places, np.array(gains)))
    if lost is None:
        assert found == len(gains) - 1
    elif lost == 0:
        assert found == -inf
    else:
        assert lost - 1 <= found <= lost and np.interp(found, places, gains) == pytest.approx(0, abs=1e-9)
    both = _first_zero(places, np.stack([np.array(gains), np.full(len(gains), 1.0)], axis=1))
    assert both[0] == found and both[1] == len(gains) - 1
