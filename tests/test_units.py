"""Several steps that are drafted, judged by one request, and accepted or replaced as one."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_loops import cost_pairs, ended, seeds, shares, sided
from worlds import EVEN, METHODS, QUESTION, WIDE, Refusing, answer, listed, random_pair, refusing_pair

from dreamr.config import Method
from dreamr.engines.protocol import Refused
from dreamr.engines.scripts import Script
from dreamr.engines.virtual import Cost
from dreamr.methods.prefix import Prefix
from dreamr.methods.protocol import Limits
from dreamr.prompts import PART, SCORE, STEP, STEP_BREAK, VERIFY, Prompt, verdict_prompt
from dreamr.steps import is_blank

ACCEPTED = Script(lambda done: "no" + STEP_BREAK, lambda done: 1.0)
sizes = st.integers(2, 4)


def of_size(loop: str, size: int, **settings: Any) -> Method:
    """The loop with so many steps to a verdict."""
    return METHODS[loop].model_copy(update={"steps_per_verdict": size, **settings})


def under(caps: Limits, size: int) -> Limits:
    return replace(caps, unit=size)


Told = tuple[str, str, str | None, list[bool]]


def in_order(pair: tuple[Refusing, Refusing], caps: Limits, size: int) -> Told:
    """One thing at a time, step by step: text, finish, who refused, and the verdicts."""
    (target, draft), prefix, verdicts = pair, Prefix(QUESTION, caps), []

    def ahead(model: Refusing, writer: Any) -> tuple[Prefix, str]:
        """The answer with a unit more, and the unit's text without the blank line that ends it."""
        longer, count = prefix, 0
        while longer.finish is None and count < size:
            step = longer.taken(model.write(longer.prompt, longer.room), writer)
            longer, count = longer.after(step), count + 1
        text = longer.prompt.answer.removeprefix(prefix.prompt.answer)
        return longer, text.removesuffix(STEP_BREAK) if step.finish == "stop" else text

    try:
        while prefix.finish is None:
            drafted, text = ahead(draft, "draft")
            blank = any(is_blank(part) for part in text.split(STEP_BREAK))
            forbidden = blank or (not caps.draft_answers and drafted.finish == "answer")
            asked = verdict_prompt(prefix.prompt, (text,), VERIFY.replace(STEP, PART))
            verdicts.append(not forbidden and target.logprobs(asked, ("positive", "negative"))[0] > -0.1)
            prefix = drafted if verdicts[-1] else ahead(target, "target")[0]
    except Refused as refusal:
        return prefix.prompt.answer.rstrip(), "refused", refusal.model, verdicts
    return prefix.prompt.answer.rstrip(), prefix.finish, None, verdicts


@given(seeds, shares | st.just(0.0), cost_pairs, sided, sizes, st.sampled_from(["specreason", "fpsr"]))
@settings(max_examples=200)
def test_the_answer_is_that_of_one_thing_at_a_time(
    seed: int, share: float, pair_costs: tuple[Cost, Cost], caps: Limits, size: int, loop: str
) -> None:
    pair = refusing_pair(seed, share, tag="</think>")
    outcome = answer(of_size(loop, size), pair, pair_costs, under(caps, size))[1]
    told = outcome.text, outcome.finish, outcome.refused_by, [bool(step.accepted) for step in outcome.steps]
    text, finish, refused_by, verdicts = in_order(pair, caps, size)
    assert told == (text, finish, refused_by, verdicts[: len(outcome.steps)])


@given(
    seeds, shares | st.just(0.0), cost_pairs, sided, sizes,
    st.integers(1, 6), st.sampled_from(["all", "frontier", "none"]), st.booleans(),
)  # fmt: skip
@settings(max_examples=150)
def test_fpsr_changes_times_alone(
    seed: int, share: float, pair_costs: tuple[Cost, Cost], caps: Limits, size: int,
    window: int, target_speculation: str, continues: bool,
) -> None:  # fmt: skip
    method = of_size("fpsr", size, window=window, target_speculation=target_speculation, continues=continues)
    pair, caps = refusing_pair(seed, share, tag="</think>"), under(caps, size)
    assert method.batched == of_size("specreason", size)
    assert ended(answer(method, pair, pair_costs, caps)[1]) == ended(answer(method.batched, pair, EVEN, caps)[1])


@given(seeds, sided, sizes)
def test_a_unit_has_the_budget_of_its_steps_and_nothing_stands_behind_the_answer_line(
    seed: int, caps: Limits, size: int
) -> None:
    outcome = answer(of_size("fpsr", size), random_pair(seed), EVEN, under(caps, size))[1]
    assert all(step.tokens <= size * caps.step_tokens for step in outcome.steps)
    assert all(step.text.count(STEP_BREAK) < size for step in outcome.steps)
    assert outcome.tokens <= caps.answer_tokens
    lines = outcome.text.splitlines()
    assert not any(line.startswith("Answer: ") for line in lines[:-1])


def test_a_verdict_is_asked_once_for_its_steps() -> None:
    """Six steps and an answer line of two words and a blank line each, by two: four verdicts of 10 s."""
    draft = listed([f"step {place}" for place in range(6)] + ["Answer: d"])
    target = Script(lambda done: "no" + STEP_BREAK, lambda done: 1.0)
    method = of_size("specreason", 2)
    seconds, outcome = answer(method, (target, draft), (Cost(1.0, verdict=10.0), Cost(1.0)), WIDE.under(method))
    assert [step.text.count(STEP_BREAK) + 1 for step in outcome.steps] == [2, 2, 2, 1]
    assert (outcome.drafted, outcome.verified, outcome.accepted, outcome.tokens) == (4, 4, 4, 7 * 3)
    assert seconds == 7 * 3 + 4 * 10


def test_a_rejected_unit_is_replaced_by_as_many_steps_of_the_target() -> None:
    draft = listed(["d0", "d1", "d2", "d3", "Answer: d"])
    own = listed(["t0", "t1", "t2", "t3", "Answer: t"])
    target = Script(own.step, lambda done: float(len(done) != 2))  # the first unit is rejected
    for loop in ("specreason", "fpsr"):
        method = of_size(loop, 2)
        outcome = answer(method, (target, draft), EVEN, WIDE.under(method))[1]
        assert outcome.text == "t0\n\nt1\n\nd2\n\nd3\n\nAnswer: d"
        assert [(step.text, step.rejected) for step in outcome.steps[:1]] == [("t0\n\nt1", "d0\n\nd1")]


def test_the_window_counts_units() -> None:
    """The draft is fast and verdicts are slow: what is in flight is what the window holds."""
    draft = Script(lambda done: "d" + STEP_BREAK)
    target = Script(lambda done: "no" + STEP_BREAK if len(done) < 9 else "Answer: t", lambda done: 0.0)
    method = of_size("fpsr", 3, window=2, target_speculation="none")
    outcome = answer(method, (target, draft), (Cost(1.0, verdict=1000.0), Cost(0.01)), WIDE.under(method))[1]
    begun = [(span.kind, span.step) for span in outcome.spans if span.start < 1000]  # before the first verdict is there
    assert sorted(begun) == [("draft", 0), ("draft", 1), ("verify", 0), ("verify", 1)]


@pytest.mark.parametrize(
    ("settings", "request_", "words"),
    [
        ({"verifier": "cpn", "alpha": 0.7}, VERIFY, "Is the last part right? Reply positive or negative."),
        ({"verifier": "score", "threshold": 7}, SCORE, "Rate the last part from 0 to 9."),
        ({"verifier": "score_mean", "threshold": 7}, SCORE, "Rate the last part from 0 to 9."),
        ({"verifier": "bernoulli", "acceptance": 1}, VERIFY, "Is the last part right? Reply positive or negative."),
    ],
)
def test_the_request_is_about_all_of_a_unit(settings: dict[str, Any], request_: str, words: str) -> None:
    asked: list[Prompt] = []

    class Asked(Script):
        def logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
            asked.append(prompt)
            return super().logprobs(prompt, keywords)

    target = Asked(lambda done: "Answer: t", lambda done: 0.99)
    for size in (None, 2):
        method = Method(loop="specreason", steps_per_verdict=size, **settings)
        answer(method, (target, listed(["a", "b", "Answer: d"])), EVEN, WIDE.under(method))
    assert [prompt.request for prompt in asked] == [request_] * 3 + [words] * 2
    assert asked[3].answer == "a\n\nb\n\n"


def test_one_blank_step_forbids_its_unit() -> None:
    outcome = answer(of_size("specreason", 2), (ACCEPTED, listed(["d", "", "Answer: d"])), EVEN, replace(WIDE, unit=2))[
        1
    ]
    assert outcome.steps[0].verdict is None and outcome.steps[0].accepted is False


def test_the_step_oracle_judges_single_steps_alone() -> None:
    with pytest.raises(ValueError, match="'oracle' knows of single steps alone: no steps_per_verdict"):
        Method(loop="specreason", verifier="oracle", false_accept=0, false_reject=0, steps_per_verdict=2)
    with pytest.raises(ValueError, match="does not take steps_per_verdict"):
        Method(loop="lookahead", verifier="align", alpha=0.5, window=4, continues=True, steps_per_verdict=2)
