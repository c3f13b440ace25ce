"""SAPO's rewards and their weights, and the verdicts that the alignment reward counts."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamr.config import Method, Recipe, Weights
from dreamr.cpn import KEYWORDS
from dreamr.engines.protocol import Refused
from dreamr.engines.scripts import Script
from dreamr.engines.virtual import Cost, VirtualEngine, run
from dreamr.methods.protocol import Engines, Limits, load
from dreamr.prompts import STEP_BREAK, VERIFY, Prompt
from dreamr.records import Question
from dreamr.sapo import rewards as sapo
from dreamr.sapo.judging import Answer, Judge
from dreamr.scoring.answers import grade

QUESTION = Question(id="1", dataset="t", prompt="<image>What is the sum?", images=("a.png",), gold=("7",), cluster="1")
ASKED = Prompt("<image>What is the sum?", ("a.png",))
positive = st.floats(0.0, 4.0)
all_weights = st.builds(Weights, outcome=positive, alignment=positive, length=positive)


@pytest.mark.parametrize(
    ("completion", "steps"),
    [
        ("3.\n\n4.\n\nAnswer: 7", ("3.", "4.", "Answer: 7")),
        ("3.\n\nAnswer: 7\n\nLet me look again.", ("3.", "Answer: 7")),
        ("<think>3.\n\n</think>\n\nAnswer: 7", ("3.", "", "Answer: 7")),
        ("3 and", ("3 and",)),
        ("", ()),
        ("\n\n", ("",)),
    ],
)
def test_steps_are_those_the_loops_would_take(completion: str, steps: tuple[str, ...]) -> None:
    assert sapo.written_steps(completion) == steps


@pytest.mark.parametrize("completion", ["3.\n\nAnswer: 7", "Answer: 8", "", "Answer: 7.0", "The sum is 7"])
@pytest.mark.parametrize("complete", [True, False])
def test_outcome_is_the_scorers_verdict(completion: str, complete: bool) -> None:
    assert sapo.outcome(QUESTION, completion, complete) == float(grade(QUESTION, completion, complete).correct)


def test_outcome_tells_right_from_wrong() -> None:
    assert sapo.outcome(QUESTION, "Answer: 7") == 1.0
    assert sapo.outcome(QUESTION, "Answer: 8") == 0.0


@given(st.lists(st.booleans(), max_size=12))
def test_alignment_is_a_share(accepted: list[bool]) -> None:
    assert sapo.alignment(accepted) * max(1, len(accepted)) == pytest.approx(sum(accepted))


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 500))
def test_longer_costs_more(tokens: int, more: int, budget: int) -> None:
    assert sapo.length(tokens + more, budget) < sapo.length(tokens, budget) < 0
    assert sapo.length(budget, budget) == -1.0


@given(all_weights, st.integers(1, 50))
def test_weights_without_a_schedule_stay(weights: Weights, steps: int) -> None:
    expected = (weights.outcome, weights.alignment, weights.length)
    assert {sapo.weights(Recipe(weights=weights), step, steps) for step in range(steps)} == {expected}


@given(all_weights, all_weights, st.integers(2, 50))
def test_scheduled_weights_move_on_a_line(first: Weights, final: Weights, steps: int) -> None:
    recipe = Recipe(weights=first, final_weights=final)
    path = [sapo.weights(recipe, step, steps) for step in range(steps)]
    assert path[0] == pytest.approx((first.outcome, first.alignment, first.length))
    assert path[-1] == pytest.approx((final.outcome, final.alignment, final.length))
    for before, now, after in zip(path, path[1:], path[2:], strict=False):
        assert now == pytest.approx(tuple((a + b) / 2 for a, b in zip(before, after, strict=True)))


def test_rewards_stand_in_the_order_of_the_weights() -> None:
    assert sapo.REWARDS == ("outcome", "alignment", "length")
    assert sapo.weights(Recipe(weights=Weights(outcome=1, alignment=2, length=3)), 0, 1) == (1, 2, 3)


class Counting:
    """A target that accepts steps without the letter x, refuses those with a z, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[Prompt] = Counter()

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        assert keywords == KEYWORDS
        self.asked[prompt] += 1
        if "z" in prompt.answer:
            raise Refused("target", "too long")
        wrong = "x" in prompt.answer.removesuffix(STEP_BREAK).rpartition(STEP_BREAK)[2]
        return (-3.0, -0.1) if wrong else (-0.1, -3.0)


def judged(target: Counting, *answers: Answer) -> list[list[bool]]:
    async def one_batch() -> list[list[bool]]:
        return await Judge(target, 0.7).verdicts(answers)

    return asyncio.run(one_batch())


def test_every_step_is_judged_behind_the_steps_before_it() -> None:
    target = Counting()
    found = judged(target, (ASKED, ("a", "x", "b")), (ASKED, ("a", "", "c")), (ASKED, ()))
    assert found == [[True, False, True], [True, False, True], []]
    answers = {prompt.answer for prompt in target.asked}
    assert answers == {"a\n\n", "a\n\nx\n\n", "a\n\nx\n\nb\n\n", "a\n\n\n\nc\n\n"}
    assert {prompt.request for prompt in target.asked} == {VERIFY}


def test_a_step_that_the_target_cannot_judge_is_rejected_and_so_is_all_behind_it() -> None:
    assert judged(Counting(), (ASKED, ("a", "z", "b")), (ASKED, ("a", "b"))) == [[True, False, False], [True, True]]


def test_equal_requests_are_made_once() -> None:
    target = Counting()
    judged(target, *[(ASKED, ("a", "b"))] * 5)
    assert set(target.asked.values()) == {1} and len(target.asked) == 2


def test_an_answer_is_judged_from_the_moment_it_is_written() -> None:
    """What was begun is not asked again, and the next batch begins from nothing: the target's caches are its own."""
    target = Counting()

    async def two_batches() -> list[list[list[bool]]]:
        judge, found = Judge(target, 0.7), []
        for _ in range(2):
            judge.begin((ASKED, ("a", "x")))
            await asyncio.sleep(0)
            asked.append(target.asked.total())
            found.append(await judge.verdicts([(ASKED, ("a", "x")), (ASKED, ("a", "b"))]))
        return found

    asked: list[int] = []
    assert asyncio.run(two_batches()) == [[[True, False], [True, True]]] * 2
    assert asked == [2, 5] and target.asked.total() == 6


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6), st.floats(0.05, 0.95))
def test_the_reward_counts_what_the_evaluation_accepts(rhos: list[float], alpha: float) -> None:
    """Steps that FPSR accepts on the way are the steps that the reward counts, as long as none is rejected."""
    steps = [f"step {place}" for place in range(len(rhos))]

    def write(done: tuple[str, ...]) -> str:
        return steps[len(done)] + STEP_BREAK if len(done) < len(steps) else "Answer: 7"

    def judge(done: tuple[str, ...]) -> float:
        return rhos[len(done) - 1] if len(done) <= len(rhos) else 0.99

    script = Script(write, judge)
    method = Method(loop="fpsr", verifier="cpn", alpha=alpha, window=4, target_speculation="all", continues=True)
    engines = Engines(VirtualEngine(script, Cost(1.0)), VirtualEngine(script, Cost(0.1)))
    _, outcome = run(load("fpsr")(ASKED, engines, method, Limits(40, 200)))
    written = ASKED, tuple(step.text for step in outcome.steps)
    _, (row,) = run(Judge(VirtualEngine(script, Cost(1.0)), alpha).verdicts([written]))
    assert row == [bool(step.accepted) for step in outcome.steps]
