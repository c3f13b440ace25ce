"""Recorded traces on the virtual clock: what is said again, how engines serve, what fits and predictions recover."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from factories import small
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from worlds import METHODS, WIDE, answer, listed, random_pair, refusing_pair, traced

from dreamr.config import NO_DRAFT, Method
from dreamr.engines.protocol import Generation, Meter
from dreamr.engines.virtual import Cost as IdealCost
from dreamr.engines.virtual import Machine, run
from dreamr.methods.protocol import Limits
from dreamr.planning.jobs import ReplayJob
from dreamr.prompts import STEP_BREAK, VERIFY, Prompt
from dreamr.records import Fit, Question, Span, Trace
from dreamr.replay.elsewhere import PUBLISHED, Setting, answers_elsewhere
from dreamr.replay.elsewhere import settings as elsewhere_settings
from dreamr.replay.fitting import crowding, fitted, sharing, timing, whole
from dreamr.replay.predictions import costs, parts, predictions
from dreamr.replay.recorded import Recorded, recorded
from dreamr.replay.running import Costs, answered, seconds_in_batch
from dreamr.replay.serving import BLOCK, Batch, Cost, ServingEngine
from dreamr.statistics.predicted import compared, is_met, projected

EVEN = (IdealCost(decode=1.0, verdict=1.0), IdealCost(decode=0.2))
TARGET = Cost(decode=0.016, prefill=0.0002, request=0.004, opening=0.008, verdict=0.002, crowding=0.025)
DRAFT = Cost(decode=0.003, prefill=0.00005, request=0.004, opening=0.006, crowding=0.03)
TRUE = Costs(TARGET, DRAFT, sharing=0.2)
SPECULATIVE = ("specreason", "lookahead", "fpsr")
some_costs = st.builds(Cost, decode=st.floats(0.01, 5), prefill=st.floats(0, 1), request=st.floats(0, 5))
limits = st.builds(Limits, step_tokens=st.integers(2, 12), answer_tokens=st.integers(1, 60))


# --- what was said is said again ---


@given(st.integers(0, 10**6), some_costs, some_costs, st.floats(0, 1), limits, st.sampled_from(sorted(METHODS)))
@settings(max_examples=100, deadline=None)
def test_a_replayed_trace_gives_the_recorded_answer(
    seed: int, target: Cost, draft: Cost, shared: float, caps: Limits, name: str
) -> None:
    # A trace does not say where the target's version of a capped step was cut, and lookahead compares the two.
    said = answer(name, random_pair(seed), EVEN, caps)[1]
    assume(name != "lookahead" or not any(step.capped for step in said.steps))
    again = answered(traced(said, name), METHODS[name], Costs(target, draft, shared), caps)[1]
    assert (again.text, again.steps, again.finish) == (said.text, said.steps, said.finish)
    assert (again.verified, again.accepted, again.tokens) == (said.verified, said.accepted, said.tokens)


def test_a_refused_question_cannot_be_replayed() -> None:
    outcome = answer("specreason", refusing_pair(0, 1.0), EVEN)[1]
    with pytest.raises(ValueError, match="was refused by small"):
        recorded(traced(outcome, "specreason"))


def test_lengths_are_those_of_the_spans() -> None:
    """The draft's rejected step has four tokens, the target's version of an accepted one three, though words differ."""
    target = listed(["one two three four", "a b", "Answer: 1"], [1.0, 0.0, 1.0])
    outcome = answer("fpsr", (target, listed(["d0", "d1 is so", "Answer: 2"])), EVEN)[1]
    spans = tuple(
        span.model_copy(update={"tokens": 7}) if (span.kind, span.step) == ("draft", 1) else span
        for span in outcome.spans
        if not (span.kind == "target" and span.step == 0)
    )
    own = Span(engine="target", kind="target", step=0, start=0.0, end=3.0, tokens=3)
    trace = traced(replace(outcome, spans=(own, *spans)), "fpsr")
    told = recorded(trace.model_copy(update={"fits": (fits("t", 50), fits("d", 60))}))
    assert [model.write(Prompt("", ()), 50).tokens for model in told] == [3, 2]
    assert told[1].write(Prompt("", (), "d0" + STEP_BREAK), 50) == Generation("d1 is so", 7, "stop")
    assert [model.tokens(Prompt("", (), "d0" + STEP_BREAK, VERIFY)) for model in told] == [[50, 2, 9], [60, 2, 9]]


def fits(model: str, tokens: int) -> Fit:
    return Fit(model=model, tokens=tokens, fits="yes")


# --- how an engine serves, by hand ---


def times(cost: Cost, *requests: tuple[float, str]) -> list[float]:
    """When requests are answered that come at given seconds, behind an answer (four tokens) or for a verdict (?)."""
    model = Recorded({}, {}, 4, {}, question=10)

    async def ask() -> list[float]:
        engine = ServingEngine(model, cost, Batch(cost, Machine(0.0)))

        async def one(start: float, behind: str) -> float:
            await asyncio.sleep(start)
            if behind == "?":
                await engine.keyword_logprobs(Prompt("", (), "", "is it so?"), ("yes", "no"))
            else:
                await engine.generate(Prompt("", (), behind), stop=STEP_BREAK, max_tokens=50, meter=Meter())
            return engine.now()

        return await asyncio.gather(*(one(*request) for request in requests))

    return run(ask())[1]


def test_a_request_waits_for_the_iteration_that_is_under_way() -> None:
    assert times(Cost(decode=1.0), (0.0, ""), (0.25, "")) == [4, 5]
    assert times(Cost(decode=1.0, verdict=0.5), (0.0, ""), (1.25, "?")) == [4.5, 3.5]


def test_each_further_request_adds_its_share_of_an_iteration() -> None:
    assert times(Cost(decode=1.0, crowding=0.25), (0.0, ""), (0.0, "")) == pytest.approx([5, 5])


def test_a_prompt_is_read_once_but_for_the_block_that_is_not_full() -> None:
    assert BLOCK == 32
    cost = Cost(decode=0.0, prefill=1.0)
    assert times(cost, (0.0, ""), (100.0, "")) == [10, 110], "ten tokens fill no block"
    steps = ("so\n\n" * 6, "so\n\n" * 7)  # 10 + 4 * 6 = 34 tokens, then four more: two beyond the block, then six
    assert times(cost, (0.0, steps[0]), (100.0, steps[0]), (200.0, steps[1])) == [34, 102, 206]


def test_pictures_are_prepared_once_a_question() -> None:
    assert times(Cost(opening=5.0, request=1.0), (0.0, ""), (10.0, "")) == [6, 11]


def test_engines_on_shared_cores_slow_each_other() -> None:
    """Two pieces of work on one machine take 1.5 times as long; the draft is done at 1.5, the target at 2.5."""
    trace = traced(answer("target_only", (listed(["Answer: 1"]), listed(["Answer: 1"])), EVEN)[1], "beside")
    costs = Costs(Cost(decode=1.0), Cost(decode=100.0), sharing=0.5)
    assert answered(trace, Method(loop="beside"), costs, WIDE)[0] == pytest.approx(3 * 1.5)


# --- what fits recover, in a world whose costs are known ---

JOB = ReplayJob.of(small())
LIMITS = Limits(JOB.generation.step_tokens, JOB.generation.answer_tokens)
PAIR = JOB.tables.pairs[0]


def told(name: str, question: int, costs: Costs, seconds: float | None = None) -> Trace:
    """How method `name` answers a question where work costs `costs`: timed, or in a batch where it took `seconds`."""
    method = JOB.tables.methods[name]
    said = answer(method, random_pair(question, acceptance=0.8), EVEN, LIMITS)[1]
    facts: dict[str, Any] = {
        **{"question": str(question), "benchmark": "mmmu", "target": PAIR[0], "method": name},
        "draft": NO_DRAFT if name == "target_only" else PAIR[1],
        "fits": (fits("t", 60 + question), fits("d", 60 + question)),
    }
    script = traced(said, name).model_copy(update=facts)
    if seconds is not None:
        return script.model_copy(update={"mode": "batched", "seconds": seconds})
    took, outcome = answered(script, method, costs, LIMITS)
    plain = answered(told("target_only", question, costs, 0.0), JOB.tables.methods["target_only"], costs, LIMITS)[0]
    return script.model_copy(update={"seconds": took, "spans": outcome.spans, "baseline_seconds": plain})


def in_batch(name: str, questions: Sequence[int], costs: Costs) -> list[Trace]:
    traces = [told(name, question, costs, 0.0) for question in questions]
    took = seconds_in_batch(traces, JOB.tables.methods[name], costs, LIMITS, JOB.generation.concurrency)
    return [trace.model_copy(update={"seconds": one}) for trace, one in zip(traces, took, strict=True)]


def test_costs_are_recovered_from_answers_without_overlap() -> None:
    methods = JOB.tables.methods
    spans = [
        timing(told(name, question, TRUE), methods[name], engine, LIMITS)
        for engine in ("target",)
        for name in ("target_only", "specreason")
        for question in range(6)
    ]
    found = fitted([*spans, whole(told("target_only", 7, TRUE), methods["target_only"], LIMITS, 1e-9 + seconds_of(7))])
    assert vars(found) == pytest.approx(vars(replace(TARGET, crowding=0.0)), rel=1e-4, abs=1e-6)


def seconds_of(question: int) -> float:
    return told("target_only", question, TRUE).seconds


@pytest.mark.parametrize(("name", "share"), [("target_only", TARGET.crowding), ("draft_only", DRAFT.crowding)])
def test_crowding_is_recovered_from_a_batch(name: str, share: float) -> None:
    alone, batched = [told(name, question, TRUE) for question in range(4)], in_batch(name, range(40), TRUE)
    bare = Costs(replace(TARGET, crowding=0.0), replace(DRAFT, crowding=0.0))
    at_once = JOB.generation.concurrency
    assert crowding(alone, batched, JOB.tables.methods[name], bare, LIMITS, at_once) == pytest.approx(share, rel=0.05)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.3])
def test_sharing_is_recovered_from_the_target_beside_a_busy_draft(share: float) -> None:
    beside = [told("beside", question, replace(TRUE, sharing=share)) for question in range(4)]
    assert sharing(beside, JOB.tables.methods["beside"], TRUE, LIMITS) == pytest.approx(share, abs=0.01)


def world(costs: Costs, slowed: float = 1.0) -> list[Trace]:
    """Everything that a run leaves of one pair; the control's times are `slowed`."""
    names = ("target_only", "draft_only", "specreason", "lookahead", "dreamr_ns")
    timed = [told(name, question, costs) for name in names for question in range(12)]
    beside = [told("beside", question, costs) for question in range(4)]
    beside = [trace.model_copy(update={"seconds": trace.seconds * slowed}) for trace in beside]
    batched = [trace for name in ("target_only", "draft_only") for trace in in_batch(name, range(24), costs)]
    return [*timed, *beside, *batched]


def tables(traces: list[Trace]) -> tuple[pd.DataFrame, pd.DataFrame]:
    folds = parts(traces, JOB)
    return compared(predictions(folds, ASKED), JOB.tables), costs(folds)


def question(number: int) -> Question:
    return Question(id=str(number), dataset="mmmu", prompt="", images=(), gold=("1",), cluster=f"c{number}")


ASKED = {("mmmu", str(number)): question(number) for number in range(24)}


def of_pair(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table.target == PAIR[0]) & (table.draft == PAIR[1]) & (table.benchmark == "all")].set_index("method")


def test_a_world_that_is_as_the_replay_thinks_is_foretold() -> None:
    crowd = told("dreamr_ns", 0, TRUE).model_copy(update={"mode": "crowd", "crowd": 4})
    table, found = tables([*world(TRUE), crowd])
    rows = of_pair(table)
    assert set(rows.index) == {"specreason", "lookahead", "dreamr_ns"} and (rows.n == 12).all()
    assert (rows.error.abs() < 0.01).all() and (rows.question_error < 0.02).all()
    assert (rows.speedup_low < rows.predicted).all() and (rows.predicted < rows.speedup_high).all()
    assert set(found.engine) == {"target", "draft"} and found.sharing.mean() == pytest.approx(0.2, abs=0.01)


def test_a_wrong_idea_of_shared_cores_is_seen() -> None:
    rows = of_pair(tables(world(TRUE, slowed=1.5))[0])
    assert rows.error["specreason"] == pytest.approx(0, abs=0.01), "where nothing overlaps it does not matter"
    assert (rows.error[["lookahead", "dreamr_ns"]] < -0.1).all()


def test_without_the_control_or_with_few_questions_nothing_is_predicted() -> None:
    traces = world(TRUE)
    few = [trace for trace in traces if trace.mode == "batched" or int(trace.question) < 7]
    for left in ([trace for trace in traces if trace.method != "beside"], few):
        table, found = tables(left)
        assert table.empty and found.empty and not is_met(table)
        assert projected(answers_elsewhere([], ASKED), JOB.tables).empty


@pytest.mark.parametrize(
    ("off", "met"), [((1.04,) * 12, "yes"), ((1.06,) * 12, "no"), ((1.3,) * 4 + (1 / 1.3,) * 4 + (1.0,) * 4, "no")]
)
def test_the_gate_asks_for_the_pool_and_for_the_median_question(off: tuple[float, ...], met: str) -> None:
    rows = [
        {"target": target, "draft": draft, "method": "dreamr_ns", "benchmark": "mmmu", "question": str(place)}
        | {"cluster": str(place), "n": 1.0, "baseline_seconds": 2.0, "seconds": 1.0, "verified": 4.0, "accepted": 2.0}
        | {"predicted_baseline_seconds": 2.0 * factor, "predicted_seconds": 1.0, "draft_step": 0.1, "target_step": 1.0}
        for target, draft in JOB.tables.pairs
        for place, factor in enumerate(off)
    ]
    table = compared(pd.DataFrame(rows), JOB.tables)
    whole_pool = table[(table[["target", "draft", "benchmark"]] == "all").all(axis=1)]
    assert whole_pool.met.tolist() == [met] and table.met.notna().sum() == 1 and is_met(table) == (met == "yes")
    assert whole_pool.closed_form.iloc[0] == pytest.approx(1.754, abs=0.001)


# --- elsewhere ---


def test_settings_are_times_of_a_targets_token() -> None:
    here = replace(TRUE, sharing=0.2)
    found = Setting(c=0.1, v=2.0, overhead=3.0, machine="").costs(here)
    assert found == Costs(
        Cost(decode=1.0, request=3.0, verdict=1.0, crowding=TARGET.crowding),
        Cost(decode=0.1, request=3.0, crowding=DRAFT.crowding),
    )
    assert {setting.machine for setting in elsewhere_settings()} == {"", *PUBLISHED}


def test_projections_fall_with_every_cost() -> None:
    """By hand: what answers take elsewhere is the replay's time under those costs, pooled over questions."""
    folds = parts(world(TRUE), JOB)
    answers = answers_elsewhere(folds, ASKED)
    answers = answers[answers.method == "lookahead"]
    sums = answers.groupby(["c", "v", "overhead"])[["baseline_seconds", "seconds"]].sum()
    speed = sums.baseline_seconds / sums.seconds
    assert speed[0.05, 1.0, 0.0] > speed[0.05, 1.0, 1.0] > speed[0.05, 1.0, 4.0]
    assert speed[0.4, 4.0, 0.0] < speed[0.4, 1.0, 0.0] < speed[0.05, 1.0, 0.0]
    one = answers.iloc[0]
    plain = next(t for t in world(TRUE) if (t.method, t.mode, t.question) == ("target_only", "batched", one.question))
    assert one.baseline_seconds == plain.tokens, "a target's token is the unit"
