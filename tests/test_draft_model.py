"""Speculative decoding with a draft model: token by token what the target writes alone."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from projects import ROOT
from test_loops import cost_pairs, ended, limits, seeds, shares
from test_plan import merged
from worlds import EVEN, METHODS, QUESTION, WIDE, Refusing, answer, listed, random_pair

from dreamr.config import Method, tokenizer_digest
from dreamr.engines.protocol import Generation
from dreamr.engines.scripts import WORDS, Script
from dreamr.engines.virtual import Cost, VirtualEngine, run
from dreamr.errors import UserError
from dreamr.methods.protocol import Engines, Limits, Outcome, load
from dreamr.prompts import Prompt

ZOO = ROOT / "workflow/resources/zoo"


def of(proposed: int) -> Method:
    return Method(loop="draft_model", proposed_tokens=proposed)


@given(seeds, cost_pairs, limits, st.integers(1, 9), st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=300)
def test_every_token_is_what_the_target_writes_alone(
    seed: int, pair_costs: tuple[Cost, Cost], caps: Limits, proposed: int, alike: float
) -> None:
    """Steps, caps, ends and budget too, whatever the draft proposes."""
    pair = random_pair(seed, alike=alike, tag="</think>")
    found, alone = answer(of(proposed), pair, pair_costs, caps)[1], answer("target_only", pair, EVEN, caps)[1]
    assert (found.text, found.steps, found.finish, found.tokens) == (
        alone.text,
        alone.steps,
        alone.finish,
        alone.tokens,
    )
    assert (found.drafted, found.verified, found.accepted) == (0, 0, 0)


@given(seeds, shares, limits)
@settings(max_examples=100)
def test_what_the_draft_refuses_is_not_needed(seed: int, share: float, caps: Limits) -> None:
    target, draft = random_pair(seed)
    found = answer(of(3), (target, Refusing(draft, "small", seed, share)), EVEN, caps)[1]
    assert ended(found) == ended(answer("target_only", (target, draft), EVEN, caps)[1])


def spans(outcome: Outcome, kind: str) -> list[int]:
    return [span.tokens for span in outcome.spans if span.kind == kind]


@pytest.mark.parametrize(
    ("drafted", "proposed", "kept"),
    [
        ("one two three four five", 2, [3, 3]),  # two and the next, then two more and the end
        ("one two THREE four five", 2, [3, 3]),  # what the target adds was not proposed
        ("one TWO three four five", 2, [2, 3, 1]),
        ("other words", 4, [1] * 6),
    ],
)
def test_the_longest_common_beginning_is_kept_and_a_token_added(drafted: str, proposed: int, kept: list[int]) -> None:
    """A draft that goes on by place: it writes its own words from wherever the answer stands."""
    words = drafted.split()

    class ByPlace(Script):
        def write(self, prompt: Prompt, room: int) -> Generation:
            at = len(prompt.answer.split())
            rest = [" " * (at + place > 0) + word for place, word in enumerate(words[at:])]
            ends = len(rest) < room
            return Generation("".join(rest[:room]), min(len(rest) + ends, room), "end" if ends else "length")

    target = Script(lambda done: "one two three four five")
    outcome = answer(of(proposed), (target, ByPlace(lambda done: "")), EVEN)[1]
    assert (outcome.text, spans(outcome, "target")) == ("one two three four five", kept)
    assert outcome.target_tokens == 6 == outcome.tokens


def test_time_is_that_of_proposals_and_of_a_pass_for_each_check() -> None:
    """Eight words and the end: rounds of 3 + 1, 3 + 1 and the end, .1 s for a proposed token and 1 s for a check."""
    model = listed(["one two three four five six seven eight"])
    seconds, outcome = answer(of(3), (model, model), (Cost(1.0), Cost(0.1)))
    assert spans(outcome, "target") == [4, 4, 1]
    assert seconds == pytest.approx(3 + 0.1 * sum(spans(outcome, "draft")))
    assert spans(outcome, "draft") == [3, 3, 1]


@given(st.lists(st.sampled_from(["a", " b", "  c", "\nd", "\n\n", "e"]), max_size=8).map("".join))
@example("a \n\nb")
def test_words_are_tokens_and_back(text: str) -> None:
    assert WORDS.decode(*WORDS.encode(text)) == text


def test_two_tokenizers_are_told_apart_in_the_job() -> None:
    class Other(VirtualEngine):
        tokenizer = "other words"

    async def ask() -> Outcome:
        engines = Engines(VirtualEngine(listed(["a"]), Cost(1.0)), Other(listed(["a"]), Cost(1.0)))
        return await load("draft_model")(QUESTION, engines, of(3), WIDE)

    with pytest.raises(UserError, match="draft and target need one tokenizer"):
        run(ask())


def planned(draft: str, **overlay: Any) -> Any:
    spec = {"targets": ["q3vl-deep-awq"], "drafts": [draft], "methods": ["by_token"], "suites": ["all"]}
    methods = {"by_token": {"loop": "draft_model", "proposed_tokens": 4}}
    return merged("config/config.yaml", {"methods": methods, "runs": {"more": spec}} | overlay)


def test_a_pair_of_two_tokenizers_and_sampling_are_refused_while_planning() -> None:
    assert planned("q3vl-3l").methods["by_token"].batched == METHODS["target_only"]
    words = (
        "'by_token' goes token by token, and 'r4b-2l' has another tokenizer than 'q3vl-deep-awq'; it takes .*q3vl-2l, "
    )
    with pytest.raises(UserError, match=rf"runs\.more\.methods: {words}q3vl-3l"):
        planned("r4b-2l")
    with pytest.raises(UserError, match=r"'by_token' keeps .* generation.temperature is 0.6; allowed: 0"):
        planned("q3vl-2l", generation={"temperature": 0.6})


def test_a_tokenizer_is_its_rules_and_not_the_lengths_of_its_outputs() -> None:
    told = [json.loads((ZOO / name / "tokenizer.json").read_text()) for name in ("q3vl-deep", "r4b-2l")]
    lengths = {"truncation": {"max_length": 5}, "padding": {"strategy": "BatchLongest"}}
    plain, other = (tokenizer_digest(json.dumps(one)) for one in told)
    assert tokenizer_digest(json.dumps(dict(reversed(told[0].items())) | lengths, indent=2)) == plain != other
