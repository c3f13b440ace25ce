"""What answers waited for and their critical paths: by hand, and on the virtual clock, where nothing else passes."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from factories import calibrated, scores, small
from hypothesis import given
from hypothesis import strategies as st
from worlds import METHODS, answer, random_pair, traced

from dreamr.config import Method
from dreamr.engines.virtual import Cost
from dreamr.methods.protocol import Limits
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, score_frame
from dreamr.studies.milliseconds.requests import Place, measured, on_path, places, shortest
from dreamr.studies.milliseconds.tables import milliseconds
from dreamr.studies.milliseconds.waits import PARTS, openings, pace, waits
from dreamr.traces import Span, Step, Trace

FPSR = [
    METHODS["fpsr"].model_copy(
        update={"target_speculation": target_speculation, "continues": continues, "window": window}
    )
    for target_speculation in ("all", "frontier", "none")
    for continues in (True, False)
    for window in (1, 2, 4)
]
LOOKAHEAD = [METHODS["lookahead"].model_copy(update={"continues": one}) for one in (True, False)]
LOOPS = [*FPSR, *LOOKAHEAD, *(METHODS[name] for name in ("target_only", "draft_only", "specreason"))]
# Hardly two sums of these are equal, so that no order of events is left to chance.
costs = st.builds(
    Cost,
    decode=st.floats(0.1, 5),
    request=st.floats(0.01, 2),
    verdict=st.floats(0.1, 9),
    crowding=st.sampled_from((0.0, 0.3)),
)


def virtual(method: Method, seed: int, target: Cost, draft: Cost, acceptance: float) -> Trace:
    """A random pair's answer on the virtual clock."""
    seconds, outcome = answer(method, random_pair(seed, acceptance), (target, draft), Limits(12, 60))
    return traced(outcome, "m").model_copy(update={"seconds": seconds})


def jittered(place: Place, seed: int) -> Place:
    """The place with requests that are longer by up to a thousandth, each by another share."""
    draw = random.Random(seed)
    longer = (span.end + draw.uniform(0, 1e-3) * measured(span) for span in place.requests)
    spans = tuple(span.model_copy(update={"end": end}) for span, end in zip(place.requests, longer, strict=True))
    return replace(place, requests=spans)


@given(st.sampled_from(LOOPS), st.integers(0, 10**6), costs, costs, st.sampled_from((0.3, 0.6, 0.95)))
def test_on_the_virtual_clock_nothing_is_above_the_path(
    method: Method, seed: int, target: Cost, draft: Cost, acceptance: float
) -> None:
    """There a loop takes no time, so each request starts when it can: the rules of the path are those of the loops."""
    trace = virtual(method, seed, target, draft, acceptance)
    found = places(trace, method)
    assert shortest(found, method) == pytest.approx(trace.seconds)
    assert waits(trace, found)["rest"] == pytest.approx(0, abs=1e-9)
    uneven = [jittered(place, seed + number) for number, place in enumerate(found)]  # no two paths are equally long
    assert sum(on_path(uneven, method).values()) == pytest.approx(shortest(uneven, method), rel=1e-5)


@given(st.sampled_from(LOOPS), st.integers(0, 10**6), costs, costs)
def test_a_loop_that_dawdles_is_above_its_path(method: Method, seed: int, target: Cost, draft: Cost) -> None:
    trace = dawdling(virtual(method, seed, target, draft, 0.6), seed)
    found = places(trace, method)
    parts = waits(trace, found)
    assert min(parts.values()) >= 0
    assert sum(parts.values()) == pytest.approx(trace.seconds)
    assert shortest(found, method) <= trace.seconds
    assert parts["rest"] > 0


def dawdling(trace: Trace, seed: int) -> Trace:
    """The same events in the same order, each later by some time more than the one before."""
    dice, late, now = random.Random(seed), {}, 0.0
    events = sorted({(span.end, 0) for span in trace.spans} | {(span.start, 1) for span in trace.spans})
    for event in events:
        now += dice.uniform(0.01, 1)
        late[event] = event[0] + now
    spans = [span.model_copy(update={"start": late[span.start, 1], "end": late[span.end, 0]}) for span in trace.spans]
    return trace.model_copy(update={"spans": tuple(spans), "seconds": trace.seconds + now})


def drawn(steps: Sequence[str], spans: str, seconds: float, method: str = "fpsr") -> Trace:
    """A trace by hand. Steps are accepted, rejected or equal; a line is kind, step, start, end, x if cancelled."""
    told = {"rejected": {"writer": "target", "accepted": False, "verdict": 0.1, "rejected": "other"}}
    told |= {"accepted": {"writer": "draft", "accepted": True, "verdict": 0.9}}
    told |= {"equal": {"writer": "draft", "accepted": True}}
    rows = [line.split() for line in spans.strip().splitlines()]
    requests = [
        Span(
            engine="draft" if kind == "draft" else "target", kind=kind, step=int(step), start=float(start),
            end=float(end), cancelled=bool(more), tokens=1 if kind == "verify" else 5,
        )
        for kind, step, start, end, *more in rows
    ]  # fmt: skip
    names = {"question": "q0", "benchmark": "mathverse", "target": "q3vl-deep-awq", "draft": "q3vl-2l"}
    counts = dict.fromkeys(
        ("drafted", "verified", "accepted", "tokens", "tokens_by_target", "draft_tokens", "target_tokens"), 1
    )
    return Trace(
        **names, **counts, method=method, mode="alone", digest="", text="", finish="answer", seconds=seconds,
        steps=tuple(Step(text="", tokens=5, **told[step]) for step in steps), spans=tuple(requests),
    )  # fmt: skip


# Step 1 is rejected; what stood behind it is thrown away, the draft of step 2 with its verdict under way.
PARALLEL = drawn(
    ("accepted", "rejected", "accepted"),
    """
    draft  0 0.1 2.1
    target 0 0.1 4.2 x
    draft  1 2.1 3.1
    target 1 2.2 7.2
    verify 0 2.2 4.2
    draft  2 3.1 4.1
    verify 1 3.2 5.2
    verify 2 4.2 5.2 x
    target 2 7.2 9.4 x
    draft  2 7.3 8.3
    verify 2 8.4 9.4
    """,
    9.5,
)
# One thing at a time, with the first draft in vain.
SEQUENTIAL = drawn(
    ("rejected", "accepted"),
    """
    draft  0 0 1
    verify 0 1 2
    target 0 2 5
    draft  1 5 6
    verify 1 6 7
    """,
    7,
    "specreason",
)
# Two versions of each step are compared; those of step 1 are equal, so nobody is asked.
COMPARED = drawn(
    ("accepted", "equal"),
    """
    draft  0 0 1
    target 0 0 3
    draft  1 1 2
    target 1 1 5
    verify 0 3 4
    """,
    5,
    "lookahead",
)


@pytest.mark.parametrize(
    ("trace", "path", "parts"),  # the path by kind: draft, verify, target
    [
        # A draft of five tokens takes 1 behind the first step, so the first one read the question for 1 of its 2; later
        # verdicts take 1.5 in the mean, the first one 2. The verdict on step 1 is waited for from 4.2 on, the target's
        # version from 5.2 on. The path: draft 0 at 2, the target's step 1 at 7, draft 2 at 8, its verdict at 9.
        (PARALLEL, (3, 1, 5), {"opening": 1.5, "drafting": 2, "verdicts": 3.5, "own_steps": 2, "rest": 0.5}),
        (SEQUENTIAL, (2, 2, 3), {"drafting": 1, "rejected_drafting": 1, "verdicts": 2, "own_steps": 3}),
        (COMPARED, (1, 0, 4), {"drafting": 1, "verdicts": 1, "own_steps": 3}),
    ],
)
def test_a_schedule_drawn_by_hand(trace: Trace, path: tuple[float, ...], parts: dict[str, float]) -> None:
    method = METHODS[trace.method]
    found = places(trace, method)
    assert shortest(found, method) == pytest.approx(sum(path))
    assert list(on_path(found, method).values()) == pytest.approx(path)
    assert waits(trace, found) == pytest.approx(dict.fromkeys(PARTS, 0.0) | parts)


def test_a_pace_is_that_of_later_requests_and_what_the_first_ones_took_beyond() -> None:
    found = places(PARALLEL, METHODS["fpsr"])
    seen = pace([found])
    assert seen.token == pytest.approx({"draft": 0.2, "verify": 1.5, "target": 1.0})
    assert seen.opening == pytest.approx({"draft": 1.0, "target": 0.5})
    first = openings(found)
    assert [span.kind for span in first] == ["draft", "verify"]
    assert sum(seen.seconds(span, True) for span in first) == pytest.approx(sum(map(measured, first)))


def test_a_table_tells_parts_path_and_what_crowding_costs() -> None:
    """Beside sequential answers whose requests took half as long, the path is twice what it would be uncrowded."""
    settings = small()
    main = settings.runs["main"]
    changed = {"targets": main.targets[:1], "drafts": main.drafts[:1], "methods": ("specreason", "dreamr")}
    settings = settings.model_copy(update={"runs": {"main": main.model_copy(update=changed)}})
    job = SummariseJob.of(settings)
    halved = [span.model_copy(update={"start": span.start / 2, "end": span.end / 2}) for span in SEQUENTIAL.spans]
    quick = SEQUENTIAL.model_copy(update={"seconds": 3.5, "spans": tuple(halved)})
    spans = "draft 0 0 1\n verify 0 1 2\n draft 1 1 2\n verify 1 2 3"
    traces = [quick, drawn(("accepted", "accepted"), spans, 4, "dreamr")]
    took = {trace.method: {"seconds": trace.seconds} for trace in traces}
    rows = [row for row in scores(settings, alone=1) if row.benchmark == "mathverse"]
    frame = score_frame(row.model_copy(update=took[row.method]) for row in rows)
    table = milliseconds(traces, frame, job)
    pool = table[(table[["target", "draft", "benchmark"]] == ALL).all(axis=1)].set_index("method")
    wanted = {"seconds": 4, "drafting": 1, "verdicts": 2, "rest": 1, "path": 3, "over_path": 4 / 3}
    wanted |= {
        "path_drafting": 2 / 3,
        "path_verdicts": 1 / 3,
        "path_own_steps": 0,
        "uncrowded": 1.5,
        "crowding": 2,
        "verdict": 1,
    }
    assert pool.loc["dreamr", list(wanted)].to_dict() == pytest.approx(wanted)
    assert pool.loc["specreason", list(PARTS)].sum() == pytest.approx(3.5)
    assert pool.loc["specreason", ["uncrowded", "crowding"]].isna().all(), "there is nothing to crowd"
    assert milliseconds([], frame, job).empty
    slow = quick.model_copy(update={"method": "schedule_sequential", "seconds": 7.0, "spans": SEQUENTIAL.spans})
    other = score_frame(
        row.model_copy(update=took.get(row.method, {"seconds": 7.0}))
        for row in [
            *rows,
            *(row.model_copy(update={"method": "schedule_sequential"}) for row in rows if row.method == "specreason"),
        ]
    )
    table = milliseconds([*traces, slow], other, job)
    beside = table[(table[["target", "draft", "benchmark"]] == ALL).all(axis=1)].set_index("method")
    assert beside.loc["dreamr", "crowding"] == pytest.approx(2), "what was timed in other jobs is no pace"
    for drafted, methods in ((2, {"specreason", "dreamr"}), (0, {"specreason"})):  # then it is the target alone
        told = [quick, traces[1].model_copy(update={"drafted": drafted})]
        assert {*milliseconds(told, frame, calibrated(job, "dreamr")).method} == methods
