"""Verdicts by dice: as often as is set, whatever the target says, and at the target's price."""

from itertools import pairwise
from math import sqrt
from typing import Any

import pytest
from worlds import METHODS, WIDE, answer, answers, listed, random_pair

from dreamr.config import Method
from dreamr.engines.scripts import Script
from dreamr.engines.virtual import Cost
from dreamr.methods.protocol import Outcome
from dreamr.prompts import STEP_BREAK, Prompt

LOOPS = ("specreason", "fpsr", "lookahead")
QUESTIONS = [Prompt(f"question {number}", ()) for number in range(40)]
STEPS = 15
COSTS = (Cost(decode=1.0, verdict=10.0), Cost(decode=0.1))


def by_dice(loop: str, acceptance: float) -> Method:
    """The loop with a set acceptance."""
    return METHODS[loop].model_copy(update={"verifier": "bernoulli", "alpha": None, "acceptance": acceptance})


def outcomes(loop: str, acceptance: float) -> list[Outcome]:
    """All questions by two models of which neither ever accepts, nor writes what the other does."""
    steps = [f"step {place}" for place in range(STEPS - 1)]
    drafted = [f"other {step}" for step in steps] + ["Answer: d"]
    pair = Script(listed([*steps, "Answer: t"]).step, lambda done: 0.0), listed(drafted)
    method = by_dice(loop, acceptance)
    return [answers(method, pair, COSTS, WIDE, [question])[1][0] for question in QUESTIONS]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("acceptance", [0.1, 0.5261, 0.9])
def test_the_share_that_is_accepted_is_the_one_that_was_set(loop: str, acceptance: float) -> None:
    found = outcomes(loop, acceptance)
    verified, accepted = (sum(getattr(one, name) for one in found) for name in ("verified", "accepted"))
    assert verified == len(QUESTIONS) * STEPS
    assert abs(accepted / verified - acceptance) < 4 * sqrt(acceptance * (1 - acceptance) / verified)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_a_lower_acceptance_takes_a_higher_one_takes_too(loop: str) -> None:
    taken = [
        {(number, place) for number, one in enumerate(found) for place, step in enumerate(one.steps) if step.accepted}
        for found in (outcomes(loop, acceptance) for acceptance in (0.0, 0.3, 0.6, 1.0))
    ]
    assert [len(taken[0]), len(taken[-1])] == [0, len(QUESTIONS) * STEPS]
    assert all(less < more for less, more in pairwise(taken))


def test_questions_and_places_have_dice_of_their_own() -> None:
    patterns = [tuple(step.accepted for step in one.steps) for one in outcomes("specreason", 0.5)]
    assert len({*patterns}) == len(QUESTIONS)
    assert len({*zip(*patterns, strict=True)}) == STEPS


def test_the_same_places_are_accepted_in_every_loop_and_wherever_images_lie() -> None:
    def places(loop: str, folder: str) -> list[bool | None]:
        target = Script(listed(["t"] * 9 + ["Answer: t"]).step, lambda done: 0.0)
        pair = target, listed(["d"] * 9 + ["Answer: d"])
        (outcome,) = answers(by_dice(loop, 0.5), pair, COSTS, WIDE, [Prompt("?", (f"{folder}/a.png",))])[1]
        return [step.accepted for step in outcome.steps]

    found = [places(loop, folder) for loop in LOOPS for folder in ("/here", "/there")]
    assert all(one == found[0] for one in found) and {*found[0]} == {True, False}


def test_the_target_is_asked_and_what_it_says_is_kept() -> None:
    """One thing at a time: a verdict takes 10 s, a draft .2 s, at any acceptance."""
    steps = ["a", "b", "c", "Answer: 1"]
    pair = listed(steps, [0.25, 0.5, 0.75, 0.125]), listed(steps)
    seconds, outcome = answer(by_dice("specreason", 1.0), pair, COSTS)
    assert [step.verdict for step in outcome.steps] == pytest.approx([0.25, 0.5, 0.75, 0.125])
    assert seconds == pytest.approx(4 * 10 + 0.1 * sum(span.tokens for span in outcome.spans if span.kind == "draft"))


@pytest.mark.parametrize(("acceptance", "accepted"), [(0.0, 0), (1.0, 3)])
def test_equal_versions_are_asked_about_too(acceptance: float, accepted: int) -> None:
    """Else an acceptance of 0 could not be set where both models write the same."""
    asked: list[tuple[Any, ...]] = []

    class Comparing(Script):
        def logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
            asked.append((prompt.answer, keywords))
            return super().logprobs(prompt, keywords)

    texts = ["a", "b", "Answer: 1"]
    target = Comparing(lambda done: texts[len(done)] + STEP_BREAK * (len(done) < 2))
    outcome = answer(by_dice("lookahead", acceptance), (target, listed(texts)), COSTS)[1]
    assert (outcome.verified, outcome.accepted) == (3, accepted)
    assert asked[0] == ("a\n\na\n\n", ("aligned", "unaligned")) and len(asked) >= 3


def test_a_blank_step_is_rejected_at_any_acceptance() -> None:
    target = listed(["t", "Answer: t"], [1.0, 1.0])
    outcome = answer(by_dice("specreason", 1.0), (target, listed(["", "Answer: d"])), COSTS)[1]
    assert outcome.text == "t\n\nAnswer: d"


def test_random_models_meet_the_same_dice_at_any_time() -> None:
    pair = random_pair(3, acceptance=0.0)
    texts = {answer(by_dice(loop, 0.5), pair, costs)[1].text for loop in LOOPS[:2] for costs in (COSTS, COSTS[::-1])}
    assert len(texts) == 1
