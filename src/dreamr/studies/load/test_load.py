"""Load: what becomes of a block's clock, by hand."""

from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from factories import config
from hypothesis import given
from hypothesis import strategies as st
from sentences import said

from dreamr.config import LoadBlocks
from dreamr.planning.jobs import SummariseJob
from dreamr.scores import Score
from dreamr.statistics.frame import score_frame
from dreamr.studies.acceptance.tables import acceptance
from dreamr.studies.load.tables import break_even, crossing, load
from dreamr.studies.speed.tables import speed
from dreamr.traces import Load

JOB = SummariseJob.of(config())
PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}
SIZES = (1, 2, 4)
GAINS = {1: 2.0, 2: 1.25, 4: 0.5}  # of a block's wall clock; latencies gain as much


def score(block: int, at_once: int, number: int, gain: float, **changes: object) -> Score:
    """One of three answers of a block that took target-only 12 s, each of its questions 1, 2 or 3 s."""
    seconds = 1.0 + number
    told = Load(at_once=at_once, block=block, questions=3, seconds=12 / gain, baseline_seconds=12.0)
    return Score(
        question=f"{block}-{number}", benchmark="mmmu", **PAIR, method="dreamr", mode="load",
        cluster=f"{block}-{number}", version="", category="", origin="", parsed="A", correct=True, unresolved=False,
        truncated=False, same_text=None, drafted=4, verified=4, accepted=3, tokens=30, draft_tokens=30,
        target_tokens=40, seconds=seconds / gain, baseline_seconds=seconds, draft_busy=0.1, target_busy=0.2,
        tokens_by_target=30, device="test", load=told,
    ).model_copy(update=changes)  # fmt: skip


def scores(blocks: int = 8, spread: float = 0.0, gains: dict[int, float] = GAINS) -> list[Score]:
    dice = np.random.default_rng(0)
    drawn = {(block, n): gains[n] * float(np.exp(spread * dice.normal())) for block in range(blocks) for n in SIZES}
    return [score(block, n, number, gain) for (block, n), gain in drawn.items() for number in range(3)]


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


def test_per_held_device_the_draft_s_count_like_the_target_s() -> None:
    """The target on four devices, the draft on two: two thirds of the throughput ratio."""
    job = JOB.model_copy(update={"devices": {PAIR["target"]: 4, PAIR["draft"]: 2}})
    table = load(score_frame(scores(spread=0.05)), job)
    for end in ("", "_low", "_high"):
        expected = table[f"throughput_ratio{end}"] * 4 / (4 + 2)
        assert table[f"throughput_per_held_device{end}"].tolist() == pytest.approx(expected.tolist())


def test_how_many_are_under_way_is_latencies_over_wall_clock() -> None:
    """Questions of 1, 2 and 3 s in a block of 12 s: half a one on average, whatever the load is called."""
    table = load(score_frame(scores()), JOB)
    assert table.under_way.tolist() == pytest.approx([0.5] * 3) == table.baseline_under_way.tolist()


def met(gains: dict[int, float], blocks: int = 8, spread: float = 0.0) -> pd.Series:
    """The row of a method with these gains."""
    return break_even({"load": load(score_frame(scores(blocks, spread, gains)), JOB)}).iloc[0]


def test_the_break_even_lies_between_the_loads_around_it() -> None:
    """log 1.25 above and log .5 below: on the line over log n at 2 * 2 ** (log 1.25 / log 2.5)."""
    found, exact = met(GAINS, spread=0.05), 2 * 2 ** (np.log(1.25) / np.log(2.5))
    assert found.speedup == pytest.approx(exact, rel=0.1)
    assert found.speedup_low < found.speedup < found.speedup_high and found.largest == 4
    assert found.throughput_per_held_device < 1.2, "twice one, and two thirds of that at two"
    by_hand = met(GAINS)
    assert by_hand.throughput_ratio == pytest.approx(exact) and np.isnan(by_hand.throughput_ratio_low)
    assert by_hand.speedup_told == f"{exact:.1f}"


@pytest.mark.parametrize(
    ("gains", "at", "told"), [({1: 0.9, 2: 1.5, 4: 1.5}, 0, "nowhere"), ({1: 2, 2: 1.5, 4: 1.01}, inf, "at least 4")]
)
def test_a_method_may_never_pay_or_always(gains: dict[int, float], at: float, told: str) -> None:
    found = met(gains)
    assert (found.speedup, found.speedup_told) == (at, told)


def test_beyond_the_largest_load_there_is_no_estimate() -> None:
    """What a run in depth measured, which was told as "16": with 16 at once the interval holds 1."""
    gains = {1: (3.01, 2.83, 3.29), 2: (2.46, 2.31, 2.65), 4: (1.88, 1.78, 2.04), 8: (1.38, 1.28, 1.53)}
    gains |= {16: (1.01, 0.95, 1.07)}
    found = break_even({"load": table_of(gains)}).iloc[0]
    open_from = 8 * 2 ** (np.log(1.28) / np.log(1.28 / 0.95))
    assert (found.speedup, found.speedup_high) == (inf, inf) and found.speedup_low == pytest.approx(open_from)
    assert found.speedup_told == f"at least 16, open from {open_from:.1f} on"
    assert found.throughput_per_held_device_told == "3.4 [2.9, 4.2]"


def table_of(gains: dict[int, tuple[float, float, float]]) -> pd.DataFrame:
    """A table of load with these gains and intervals; per held device half of them."""
    keys = {**PAIR, "method": "dreamr", "benchmark": "all", "n": 136, "clusters": 6}
    rows = []
    for size, interval in gains.items():
        row: dict[str, object] = keys | {"at_once": size, "under_way": 0.7 * size}
        for end, gain in zip(("", "_low", "_high"), interval, strict=True):
            row |= {f"{name}{end}": gain for name in ("speedup", "throughput_ratio")}
            row[f"throughput_per_held_device{end}"] = gain / 2
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("gains", "told"),
    [
        ({1: (1.5, 1.4, 1.6), 4: (1.2, 1.1, 1.3)}, "at least 4"),
        ({1: (0.9, 0.8, 1.1), 4: (0.5, 0.4, 0.6)}, "nowhere, open up to 1.2"),
        ({1: (0.9, 0.8, 1.1), 4: (0.9, 0.8, 1.1)}, "nowhere, open at every load"),
        ({1: (1.1, 0.9, 1.2), 4: (1.1, 0.9, 1.2)}, "at least 4, open at every load"),
        ({1: (2.0, 1.5, 2.5), 4: (0.5, 0.4, 1.1)}, "2.0 [1.5, at least 4]"),
        ({1: (2.0, nan, nan), 4: (0.5, nan, nan)}, "2.0"),
    ],
)
def test_an_end_of_an_interval_beyond_the_loads_is_told_as_such(
    gains: dict[int, tuple[float, float, float]], told: str
) -> None:
    assert break_even({"load": table_of(gains)}).speedup_told.item() == told


def words_of(template: str, gains: dict[int, tuple[float, float, float]]) -> str:
    """What a template says of these gains."""
    tables = {"load": table_of(gains)} | {"break_even": break_even({"load": table_of(gains)})}
    suite = config().suites["all"].model_copy(update={"alone": 0, "load": LoadBlocks(sizes=(*gains,), blocks=6)})
    return said(f"studies/load/{template}.html.j2", config().model_copy(update={"suites": {"load": suite}}), tables)


def test_where_nothing_is_decided_no_load_is_named_as_paying() -> None:
    text = words_of("glance", {1: (1.1, 0.9, 1.3), 4: (0.7, 0.6, 0.8)})
    assert (
        "is at no load that was measured decidedly faster than the target alone; slower with 4; open with 1 (" in text
    )


def test_sentences_follow_from_the_intervals_at_each_load() -> None:
    gains = {1: (3.0, 2.8, 3.3), 4: (1.9, 1.8, 2.2), 8: (1.3, 1.2, 1.5), 16: (1.01, 0.95, 1.07)}
    for template in ("glance", "section"):
        text = words_of(template, gains)
        assert (
            "is faster than the target alone with 1, 4 and 8 at once; open with 16 (1.01 times [0.95, 1.07], " in text
        )
        assert "on average 11.2 under way)" in text
        told = (
            "Per held device, both models' devices being held, it answers more than the target alone with 1 at once; "
        )
        assert f"{told}less with 8 and 16; open with 4 (0.95 times [0.90, 1.10]" in text
        assert "16.0" not in text and "at every load" not in text
    assert "at least 16, open from" in text


def test_a_block_with_a_refusal_is_left_out_for_every_method() -> None:
    rows = [row.model_copy(update={"method": name}) for row in scores() for name in ("dreamr", "dreamr_ns")]
    spoilt = score(3, 2, 1, GAINS[2], refusal="too long", refused_by=PAIR["target"])
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
    empty = load(rows, JOB)
    assert empty.empty and break_even({"load": empty}).empty
    assert "throughput_ratio_low" in empty and "speedup_low" in break_even({"load": empty})


@given(st.lists(st.floats(-2, 2).filter(lambda gain: abs(gain) > 0.01), min_size=2, max_size=6))
def test_a_crossing_is_found_as_by_walking_along(logarithms: list[float]) -> None:
    sizes = [2**place for place in range(len(logarithms))]
    lost = next((place for place, gain in enumerate(logarithms) if gain < 0), None)
    found = crossing(sizes, np.exp(logarithms).tolist())
    if lost is None:
        assert found == inf
    elif lost == 0:
        assert found == 0
    else:
        assert sizes[lost - 1] <= found <= sizes[lost]
        assert np.interp(np.log2(found), range(len(sizes)), logarithms) == pytest.approx(0, abs=1e-9)
