"""A cascade of whole answers: that of the draft alone or that of the target alone, by one verdict."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_loops import cost_pairs, limits, seeds, shares
from worlds import EVEN, answer, listed, refusing_pair

from dreamr.config import Method
from dreamr.engines.scripts import Script
from dreamr.engines.virtual import Cost
from dreamr.methods.protocol import Limits
from dreamr.prompts import STEP_BREAK, Prompt


@given(seeds, shares | st.just(0.0), cost_pairs, limits)
@settings(max_examples=200)
def test_the_answer_is_that_of_one_model_alone(
    seed: int, share: float, pair_costs: tuple[Cost, Cost], caps: Limits
) -> None:
    pair = refusing_pair(seed, share, tag="</think>")
    outcome = answer("cascade", pair, pair_costs, caps)[1]
    draft, target = (answer(f"{who}_only", pair, EVEN, caps)[1] for who in ("draft", "target"))
    if outcome.accepted:
        assert (outcome.text, outcome.finish) == (draft.text, "answer")
    elif outcome.verified or outcome.refused_by == "big":
        assert outcome.verified or outcome.text == ""
        assert outcome.refusal or (outcome.text, outcome.finish) == (target.text, target.finish)
    else:
        assert (outcome.refused_by, outcome.refusal) == (draft.refused_by, draft.refusal)
    assert outcome.drafted <= 1 and outcome.verified <= 1
    assert sum(span.kind == "verify" for span in outcome.spans) <= (draft.finish == "answer")


@pytest.mark.parametrize(
    ("settings", "request_"),
    [
        ({"verifier": "cpn", "alpha": 0.7}, "Is the answer right? Reply positive or negative."),
        ({"verifier": "score", "threshold": 7}, "Rate the answer from 0 to 9."),
        ({"verifier": "score_mean", "threshold": 7}, "Rate the answer from 0 to 9."),
        ({"verifier": "bernoulli", "acceptance": 0.5}, "Is the answer right? Reply positive or negative."),
    ],
)
def test_one_request_is_about_the_whole_answer(settings: dict[str, Any], request_: str) -> None:
    """Its thinking tags are the draft's own: they stand in the answer, and not in what the target reads."""
    asked: list[Prompt] = []

    class Asked(Script):
        def logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
            asked.append(prompt)
            return super().logprobs(prompt, keywords)

    target = Asked(lambda done: "Answer: t", lambda done: 0.99)
    draft = listed(["a", "b</think>", "", "Answer: d"])
    outcome = answer(Method(loop="cascade", **settings), (target, draft), EVEN)[1]
    assert [(prompt.answer, prompt.request) for prompt in asked] == [("a\n\nb\n\n\n\nAnswer: d\n\n", request_)]
    if settings["verifier"] != "bernoulli":
        assert outcome.text == "a\n\nb</think>\n\n\n\nAnswer: d"


def test_time_is_that_of_the_draft_and_a_verdict_and_of_the_target_where_it_is_rejected() -> None:
    draft, own = ["d1", "d2", "Answer: d"], ["t1", "Answer: t"]
    costs = (Cost(decode=1.0, verdict=10.0), Cost(decode=0.1))
    drafting, answering = 2 + 2 + 3, 2 + 3  # words, blank lines and the end token
    for said, seconds in ((1.0, 0.1 * drafting + 10), (0.0, 0.1 * drafting + 10 + answering)):
        target = Script(listed(own).step, lambda done, said=said: said)
        assert answer("cascade", (target, listed(draft)), costs)[0] == pytest.approx(seconds)


@pytest.mark.parametrize("draft", [["a", "and so on"], ["a", "b", ""]])
def test_an_answer_that_was_cut_or_has_no_answer_line_is_rejected_unasked(draft: list[str]) -> None:
    def never(done: tuple[str, ...]) -> float:
        raise AssertionError("asked")

    outcome = answer("cascade", (Script(lambda done: "Answer: t", never), listed(draft)), EVEN)[1]
    assert (outcome.text, outcome.verified, outcome.accepted) == ("Answer: t", 1, 0)
    assert outcome.steps[0].rejected == STEP_BREAK.join(draft)


def test_the_step_oracle_judges_no_answers_and_other_settings_are_refused() -> None:
    with pytest.raises(
        ValueError, match="asks about a whole answer, right or wrong; it takes bernoulli, cpn, score, sc"
    ):
        Method(loop="cascade", verifier="oracle", false_accept=0, false_reject=0)
    with pytest.raises(ValueError, match="does not take steps_per_verdict"):
        Method(loop="cascade", verifier="cpn", alpha=0.7, steps_per_verdict=2)
    with pytest.raises(ValueError, match="judges two versions"):
        Method(loop="cascade", verifier="align", alpha=0.5)
