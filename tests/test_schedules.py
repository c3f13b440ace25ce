"""Times on the virtual clock: schedules worked by hand, and means against closed forms."""

import random

import pytest
from worlds import METHODS, answer, listed

from dreamr.config import Method
from dreamr.engines.scripts import Script
from dreamr.engines.virtual import Cost
from dreamr.methods.protocol import Limits
from dreamr.prompts import STEP_BREAK

# Four steps of two tokens: a target step takes 20 s, a draft step 2 s, a verdict 3 s.
TARGET = ("t0", "t1", "t2", "Answer:T")
DRAFT = ("d0", "d1", "d2", "Answer:D")
COSTS = (Cost(decode=10.0, verdict=3.0), Cost(decode=1.0))
ALL = (1.0, 1.0, 1.0, 1.0)
NOT_1 = (1.0, 0.0, 1.0, 1.0)
NOT_12 = (1.0, 0.0, 0.0, 1.0)


def fpsr(window: int, target_speculation: str = "all", continues: bool = True) -> Method:
    return METHODS["fpsr"].model_copy(
        update={"window": window, "target_speculation": target_speculation, "continues": continues}
    )


def lookahead(window: int, continues: bool = False) -> Method:
    return METHODS["lookahead"].model_copy(update={"window": window, "continues": continues})


@pytest.mark.parametrize(
    ("method", "rhos", "seconds", "text"),
    [
        (METHODS["target_only"], ALL, 80, "t0 t1 t2 Answer:T"),
        (METHODS["draft_only"], ALL, 8, "d0 d1 d2 Answer:D"),
        (METHODS["specreason"], ALL, 4 * (2 + 3), "d0 d1 d2 Answer:D"),
        (METHODS["specreason"], NOT_1, 4 * (2 + 3) + 20, "d0 t1 d2 Answer:D"),
        # Drafts are there at 2, 4, 6, 8; the last verdict comes 3 later.
        (fpsr(4), ALL, 11, "d0 d1 d2 Answer:D"),
        # Step 2 is drafted from the first verdict at 5 on, step 3 from the second at 7 on.
        (fpsr(2), ALL, 12, "d0 d1 d2 Answer:D"),
        # One draft at a time: as SpecReason.
        (fpsr(1), ALL, 4 * (2 + 3), "d0 d1 d2 Answer:D"),
        # The target's own step 1 runs from 2 (its prefix is drafted) to 22; then two drafts and the last verdict.
        (fpsr(4), NOT_1, 22 + 4 + 3, "d0 t1 d2 Answer:D"),
        (fpsr(1), NOT_1, 25 + 2 * (2 + 3), "d0 t1 d2 Answer:D"),
        # It starts with the verdict on step 0 at 5, or with the one that rejects step 1 at 7.
        (fpsr(4, "frontier"), NOT_1, 25 + 4 + 3, "d0 t1 d2 Answer:D"),
        (fpsr(4, "none"), NOT_1, 27 + 4 + 3, "d0 t1 d2 Answer:D"),
        # Two rejections in a row: the target's step 2 follows its step 1, unless it waits for a verdict.
        (fpsr(4), NOT_12, 22 + 20 + 2 + 3, "d0 t1 t2 Answer:D"),
        (fpsr(4, "frontier", False), NOT_12, 25 + 20 + 2 + 3, "d0 t1 t2 Answer:D"),
        (fpsr(4, "none"), NOT_12, 27 + 20 + 2 + 3, "d0 t1 t2 Answer:D"),
        (fpsr(4, "none", False), NOT_12, 27 + 2 + 3 + 20 + 2 + 3, "d0 t1 t2 Answer:D"),
        # Own versions end at 20, 22, 24, 26; a judge each.
        (lookahead(4), (1, 1, 1, 1), 29, "d0 d1 d2 Answer:D"),
        # Step 2 waits for the first judge at 23, step 3 for the second at 25.
        (lookahead(2), (1, 1, 1, 1), 25 + 20 + 3, "d0 d1 d2 Answer:D"),
        # The judge of step 1 is there at 25; step 3 starts when step 2 is drafted again.
        (lookahead(4), NOT_1, 25 + 2 + 20 + 3, "d0 t1 d2 Answer:D"),
        # The target has written step 2 at 42, before the judge of step 1 is there: step 3 starts at 27, as above.
        (lookahead(4, True), NOT_1, 25 + 2 + 20 + 3, "d0 t1 d2 Answer:D"),
    ],
)
def test_schedule(method: Method, rhos: tuple[float, ...], seconds: float, text: str) -> None:
    # a verdict on step i is asked behind i + 1 steps, a comparison behind i + 2
    shown = rhos if method.verifier != "align" else (1.0, *rhos)
    took, outcome = answer(method, (listed(TARGET, shown), listed(DRAFT)), COSTS)
    assert outcome.text == text.replace(" ", STEP_BREAK)
    assert took == pytest.approx(seconds)


def test_equal_versions_need_no_judge() -> None:
    took, outcome = answer("lookahead", (listed(DRAFT, (0.0,) * 5), listed(DRAFT)), COSTS)
    assert (took, outcome.accepted) == (pytest.approx(26), 4)


def test_drafts_stand_when_the_target_writes_what_it_rejected() -> None:
    took, outcome = answer("fpsr", (listed(DRAFT, NOT_1), listed(DRAFT)), COSTS)
    assert [step.writer for step in outcome.steps] == ["draft", "target", "draft", "draft"]
    assert took == pytest.approx(22 + 3)  # both verdicts start when the target's step is there
    assert outcome.drafted == 4


def test_a_draft_that_is_never_accepted_costs_no_time() -> None:
    """The target has read the answer so far; it writes on behind a rejected step as if it were alone."""
    target, costs = listed(TARGET, (0.0,) * 4), (Cost(decode=10.0, prefill=1.0, request=5.0), Cost(decode=1.0))
    took, outcome = answer("fpsr", (target, listed(DRAFT)), costs)
    alone, by_itself = answer("target_only", (target, listed(DRAFT)), costs)
    assert (took, outcome.text) == (pytest.approx(alone), by_itself.text)


def test_spans_tell_the_schedule() -> None:
    _, outcome = answer("fpsr", (listed(TARGET, NOT_1), listed(DRAFT)), COSTS)
    spans = {(span.kind, span.step, span.start): span for span in outcome.spans}
    assert (spans["target", 1, 2.0].end, spans["target", 1, 2.0].tokens) == (22.0, 2)
    dropped = spans["target", 2, 4.0]  # dropped at 7 with the rejection of step 1, before its first token
    assert (dropped.end, dropped.cancelled, dropped.tokens) == (7.0, True, 0)
    assert spans["verify", 1, 4.0].end == 7.0
    assert outcome.draft_tokens == 4 * 2 + 2 * 2


# --- closed forms (a: acceptance, c: cost of a draft step over a target step; verdicts free) ---


def steady(acceptance: float, seed: int, steps: int) -> tuple[Script, Script]:
    """A pair whose steps have two tokens, and whose verdicts are independent coin flips."""
    coins = [float(random.Random(f"{seed} {place}").random() < acceptance) for place in range(steps + 2)]

    def write(name: str) -> Script:
        return Script(
            lambda done: f"{name}{STEP_BREAK}" if len(done) < steps else "Answer:1", lambda done: coins[len(done) - 1]
        )

    return write("t"), write("d")


def speedup(method: Method, acceptance: float, c: float, steps: int = 400) -> tuple[float, float]:
    """Speed-up over the target alone, and the share of drafts accepted, of one long answer."""
    limits = Limits(step_tokens=50, answer_tokens=1_000_000)
    pair = steady(acceptance, 0, steps)
    seconds, outcome = answer(method, pair, (Cost(decode=1.0), Cost(decode=c)), limits)
    return 2 * (steps + 1) / seconds, outcome.accepted / outcome.verified


GRID = [(a, c) for a in (0.15, 0.5, 0.8) for c in (0.05, 0.2)]


@pytest.mark.parametrize(("acceptance", "c"), GRID)
def test_fpsr_is_unbounded_asynchronous_lookahead(acceptance: float, c: float) -> None:
    """With free verdicts the window never binds: 1 / (c + (1 - c)(1 - a)), within 2 %."""
    ratio, a = speedup(fpsr(4), acceptance, c)
    assert ratio == pytest.approx(1 / (c + (1 - c) * (1 - a)), rel=0.02)


@pytest.mark.parametrize(("acceptance", "c"), GRID)
def test_lookahead_is_bounded(acceptance: float, c: float) -> None:
    """Lookahead Reasoning's closed form for a bounded window k, within 6 %.

    The form starts every window anew, ours slides, so ours is a little faster.
    """
    k = 4
    ratio, a = speedup(lookahead(k), acceptance, c)
    assert ratio == pytest.approx((1 - a**k) / ((1 - a) + c * (a - a ** (k + 1) - k * (1 - a) * a**k)), rel=0.06)
