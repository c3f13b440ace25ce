"""Traces for the Perfetto viewer."""

import itertools
import json
from pathlib import Path

import pytest
from factories import config, traces
from hypothesis import given
from hypothesis import strategies as st

from dreamr.cli.export_trace import KINDS, events, main
from dreamr.records import write_rows
from dreamr.traces import Span, Trace

KIND = st.sampled_from(KINDS)
SECONDS = st.integers(0, 8).map(float) | st.floats(0, 8)
TRACE = traces(config())[0]


def ran(*spans: tuple[str, float, float]) -> Trace:
    """A trace whose requests were of this kind, start and end."""
    made = [Span(engine="draft", kind=kind, step=i, start=start, end=end) for i, (kind, start, end) in enumerate(spans)]
    return TRACE.model_copy(update={"spans": tuple(made)})


def tracks(*ran: Trace) -> dict[str, list[tuple[int, int]]]:
    """Start and end of the bars on each track, in microseconds, by the name of the track, in order of tracks."""
    names: dict[int, str] = {}
    bars: dict[int, list[tuple[int, int]]] = {}
    for event in events(ran):
        if event["name"] == "thread_name":
            names[event["tid"]] = event["args"]["name"]
        if event["ph"] == "X":
            bars.setdefault(event["tid"], []).append((event["ts"], event["ts"] + event["dur"]))
    return {names[track]: sorted(bars[track]) for track in sorted(names)}


def test_every_step_of_a_request_becomes_an_event(tmp_path: Path) -> None:
    rows = traces(config())
    write_rows(tmp_path / "traces.jsonl", rows)
    main(traces=tmp_path / "traces.jsonl", benchmark="mathverse", question="q0", out=tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    bars = [event for event in events if event["ph"] == "X"]
    assert len(bars) == sum(len(row.spans) for row in rows)
    assert len({event["args"]["name"] for event in events if event["name"] == "process_name"}) == len(rows)
    cancelled = [event for event in bars if event["args"]["cancelled"]]
    shown = {(event["name"], round(event["ts"]), round(event["dur"])) for event in cancelled}
    assert shown == {("target 0 (cancelled)", 100_000, 80_000)}


def test_staggered_steps_get_lanes_and_the_lanes_of_a_kind_stay_together() -> None:
    trace = ran(
        ("target", 0, 2), ("target", 1, 3), ("target", 2, 4), ("draft", 0, 1), ("draft", 1, 2), ("verify", 1, 2)
    )
    second = 1_000_000
    assert list(tracks(trace).items()) == [
        ("draft", [(0, second), (second, 2 * second)]),
        ("verify", [(second, 2 * second)]),
        ("target", [(0, 2 * second), (2 * second, 4 * second)]),
        ("target, lane 2", [(second, 3 * second)]),
    ]


@given(st.lists(st.tuples(KIND, SECONDS, SECONDS).map(lambda one: (one[0], one[1], one[1] + one[2]))))
def test_bars_on_one_track_never_overlap_and_none_is_lost(spans: list[tuple[str, float, float]]) -> None:
    found = tracks(ran(*spans))
    for bars in found.values():
        assert all(one[1] <= following[0] for one, following in itertools.pairwise(bars))
    for kind in KINDS:
        shown = sorted(bar for name, bars in found.items() if name.split(",")[0] == kind for bar in bars)
        assert shown == sorted((round(start * 1e6), round(end * 1e6)) for k, start, end in spans if k == kind)


@given(st.lists(st.tuples(KIND, SECONDS)))
def test_steps_one_after_the_other_need_one_lane_per_kind(lasted: list[tuple[str, float]]) -> None:
    ends = list(itertools.accumulate(seconds for _, seconds in lasted))
    spans = [(kind, start, end) for (kind, _), start, end in zip(lasted, [0.0, *ends], ends, strict=False)]
    assert list(tracks(ran(*spans))) == [kind for kind in KINDS if kind in dict(lasted)]


def test_each_track_has_a_number_of_its_own_in_order_and_none_is_a_process() -> None:
    rows = list(events(traces(config())))
    order = [event["tid"] for event in rows if event["name"] == "thread_name"]
    assert order == sorted(set(order)) and not {event["pid"] for event in rows} & set(order)
    assert order == [event["args"]["sort_index"] for event in rows if event["name"] == "thread_sort_index"]


def test_an_unknown_question_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "traces.jsonl", traces(config()))
    with pytest.raises(SystemExit, match=r"no question 'q9' of 'mathverse'; first: \['q0'\]"):
        main(traces=tmp_path / "traces.jsonl", benchmark="mathverse", question="q9", out=Path("x"))
