"""What every reasoning loop must keep, whatever the models say and however long they take."""

import asyncio
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from worlds import EVEN, METHODS, QUESTION, WIDE, Refusing, answer, answers, listed, random_pair, refusing_pair

from dreamr.config import Method
from dreamr.engines.protocol import Generation, Meter, Refused
from dreamr.engines.scripts import Script
from dreamr.engines.virtual import Cost, VirtualEngine, run
from dreamr.methods.prefix import Prefix
from dreamr.methods.protocol import Engines, Limits, Outcome, load
from dreamr.methods.run import running
from dreamr.methods.streams import Stream
from dreamr.prompts import ALIGN, STEP_BREAK, Prompt, verdict_prompt
from dreamr.steps import is_blank, same
from dreamr.traces import Span, Step
from dreamr.verifiers.align import SAMENESS

seconds = st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0]) | st.floats(0, 20)
costs = st.builds(Cost, decode=seconds, prefill=seconds, request=seconds, verdict=seconds, crowding=st.floats(0, 1))
cost_pairs = st.tuples(costs, costs)
limits = st.builds(Limits, step_tokens=st.integers(1, 12), answer_tokens=st.integers(1, 60))
sided = st.builds(replace, limits, draft_answers=st.booleans())
seeds = st.integers(0, 10**6)
SPECULATIVE = ("specreason", "lookahead", "fpsr")
DICE = {"verifier": "bernoulli", "alpha": None, "acceptance": 0.6}


# What a loop may be told beside its verifier: none of it changes a text.
settings_of = {
    "fpsr": st.fixed_dictionaries(
        {
            "window": st.integers(1, 6),
            "target_speculation": st.sampled_from(["all", "frontier", "none"]),
            "continues": st.booleans(),
        }
    ),
    "lookahead": st.fixed_dictionaries({"window": st.integers(1, 6), "continues": st.booleans()}),
}


def told(name: str) -> st.SearchStrategy[Method]:
    """The method of that name under any settings."""
    return settings_of.get(name, st.just({})).map(lambda settings: METHODS[name].model_copy(update=settings))


def any_of(names: Sequence[str]) -> st.SearchStrategy[Method]:
    """One of the methods, under any settings."""
    return st.sampled_from(names).flatmap(told)


any_method, speculative = any_of(sorted(METHODS)), any_of(SPECULATIVE)
by_dice = speculative.map(lambda method: method.model_copy(update=DICE))


def result(outcome: Outcome) -> tuple[Any, ...]:
    """All that may not depend on time."""
    return outcome.text, outcome.steps, outcome.finish, outcome.verified, outcome.accepted, outcome.tokens


# --- the text is a function of the models alone ---


@given(seeds, cost_pairs, limits, any_method | by_dice)
@settings(max_examples=150)
def test_time_changes_nothing(seed: int, pair_costs: tuple[Cost, Cost], caps: Limits, method: Method) -> None:
    pair = random_pair(seed, tag="</think>")
    assert result(answer(method, pair, pair_costs, caps)[1]) == result(answer(method, pair, EVEN, caps)[1])


@given(st.lists(st.integers(0, 5), min_size=2, max_size=5), cost_pairs, limits, speculative)
@settings(max_examples=50)
def test_company_changes_nothing(users: list[int], pair_costs: tuple[Cost, Cost], caps: Limits, method: Method) -> None:
    """A question in a batch is answered as if it were alone."""
    pairs = {user: random_pair(user) for user in users}

    def of_user(side: int) -> Any:
        class Both:
            def write(self, prompt: Prompt, room: int) -> Generation:
                return pairs[int(prompt.user)][side].write(prompt, room)

            def logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
                return pairs[int(prompt.user)][side].logprobs(prompt, keywords)

        return Both()

    prompts = [Prompt(str(user), ()) for user in users]
    _, batched = answers(method, (of_user(0), of_user(1)), pair_costs, caps, prompts)
    assert [result(outcome) for outcome in batched] == [
        result(answer(method, pairs[user], pair_costs, caps)[1]) for user in users
    ]


@given(seeds, cost_pairs, sided, told("fpsr"), st.sampled_from([{}, DICE]))
def test_fpsr_and_specreason_differ_in_time_only(
    seed: int, pair_costs: tuple[Cost, Cost], caps: Limits, method: Method, judge: dict[str, Any]
) -> None:
    pair = random_pair(seed, tag="</think>")  # which the draft reads again only where its own step is not taken whole
    method = method.model_copy(update=judge)
    parallel = answer(method, pair, pair_costs, caps)[1]
    assert result(parallel) == result(answer(method.batched, pair, EVEN, caps)[1])


# --- what is committed ---


@given(seeds, limits, speculative)
def test_every_step_is_what_its_writer_says_there(seed: int, caps: Limits, method: Method) -> None:
    """So nothing that stood behind a rejected step, and nothing cancelled, is ever in an answer."""
    target, draft = random_pair(seed)
    outcome = answer(method, (target, draft), EVEN, caps)[1]
    prefix, spent = "", 0
    for step in outcome.steps:
        room = min(caps.step_tokens, caps.answer_tokens - spent)
        writers = {"target": target, "draft": draft}
        said = {who: model.write(replace(QUESTION, answer=prefix), room) for who, model in writers.items()}
        assert said[step.writer].text.startswith(step.text) and said[step.writer].tokens == step.tokens
        assert (step.writer == "draft") == step.accepted and (step.rejected is None) == step.accepted
        assert said["draft"].text.startswith(step.rejected or "")
        prefix += step.text + STEP_BREAK * (said[step.writer].finish == "stop")
        spent += step.tokens
    assert outcome.text == prefix.rstrip()
    assert outcome.tokens == spent <= caps.answer_tokens
    assert (outcome.finish == "budget") <= (spent == caps.answer_tokens)


@given(seeds, limits, speculative)
def test_never_accepted_gives_the_targets_text(seed: int, caps: Limits, method: Method) -> None:
    pair = random_pair(seed, acceptance=0.0, alike=0.0)
    speculative, alone = answer(method, pair, EVEN, caps)[1], answer("target_only", pair, EVEN, caps)[1]
    if speculative.accepted == 0:  # lookahead accepts equal versions unasked
        assert (speculative.text, speculative.finish) == (alone.text, alone.finish)
        assert [step.text for step in speculative.steps] == [step.text for step in alone.steps]


@given(seeds, limits)
@example(178, Limits(step_tokens=2, answer_tokens=6))
def test_lookahead_with_a_perfect_judge_gives_the_targets_text(seed: int, caps: Limits) -> None:
    """A draft accepted as equal ends like the target's version, and differs from it at most in blanks and case."""
    target, draft = random_pair(seed, acceptance=0.0, alike=0.7)
    judged, alone = (answer(name, (target, draft), EVEN, caps)[1] for name in ("lookahead", "target_only"))
    assert same(judged.text, alone.text)


@given(st.lists(st.sampled_from(["a", "b c", "two dots more"]), max_size=8), speculative)
def test_always_accepted_gives_the_drafts_text(steps: list[str], method: Method) -> None:
    draft, target = listed((*steps, "Answer: 1")), Script(lambda done: "no" + STEP_BREAK, lambda done: 1.0)
    speculative, alone = (answer(method, (target, draft), EVEN)[1] for method in (method, "draft_only"))
    assert (speculative.text, speculative.finish, speculative.tokens) == (alone.text, alone.finish, alone.tokens)
    assert speculative.accepted == speculative.verified == len(steps) + 1


@given(seeds, cost_pairs, limits, any_method)
def test_the_record_adds_up(seed: int, pair_costs: tuple[Cost, Cost], caps: Limits, method: Method) -> None:
    took, outcome = answer(method, random_pair(seed), pair_costs, caps)
    together = STEP_BREAK.join(step.text for step in outcome.steps)
    assert together.replace("\n", "").rstrip() == outcome.text.replace("\n", "")
    assert outcome.accepted == sum(step.accepted is True for step in outcome.steps)
    assert outcome.verified == sum(step.accepted is not None for step in outcome.steps)
    assert outcome.accepted <= outcome.verified <= outcome.drafted or method.loop == "target_only"
    written = {who: sum(step.tokens for step in outcome.steps if step.writer == who) for who in ("draft", "target")}
    assert written["draft"] <= outcome.draft_tokens and written["target"] <= outcome.target_tokens
    assert all(0 <= span.start <= span.end <= took for span in outcome.spans)
    finished = [span for span in outcome.spans if span.kind == "draft" and not span.cancelled]
    assert len(finished) == outcome.drafted or method.declared.by_token  # there a span is no step


def written(step: Step) -> tuple[Any, ...]:
    """A step without its verdict: a forbidden one is rejected unasked, also where it would have been rejected."""
    return step.text, step.writer, step.rejected


@given(seeds, limits, st.sampled_from(("specreason", "fpsr")))
def test_only_the_target_ends_an_answer_and_nothing_before_it_changes(seed: int, caps: Limits, name: str) -> None:
    target_answers = caps.under(METHODS[name].model_copy(update={"answers": "target"}))
    usual, own = (answer(name, random_pair(seed, tag="</think>"), EVEN, each)[1] for each in (caps, target_answers))
    assert own.finish != "answer" or own.steps[-1].writer == "target"
    if usual.finish == "answer" and usual.steps[-1].accepted:  # here the draft's answer line stood
        at = len(usual.steps) - 1
        assert list(map(written, own.steps[:at])) == list(map(written, usual.steps[:at]))
        forced = own.steps[at]
        assert (forced.writer, forced.rejected, forced.verdict) == ("target", usual.steps[at].text, None)
    else:
        assert (own.text, own.finish) == (usual.text, usual.finish)


def test_a_draft_that_must_not_answer_goes_on_behind_the_targets_step() -> None:
    target = listed(("no", "t2", "no", "Answer: t"), (1.0,) * 4)
    draft = listed(("d1", "so\nAnswer: d", "d3", "Answer: d"))
    outcome = answer("fpsr", (target, draft), EVEN, replace(WIDE, draft_answers=False))[1]
    assert outcome.text == "d1\n\nt2\n\nd3\n\nAnswer: t"
    assert (outcome.verified, outcome.accepted) == (4, 2)
    assert sum(span.kind == "verify" for span in outcome.spans) == 2  # unasked where the answer line is forbidden


@given(seeds, cost_pairs, limits, any_of(("fpsr", "lookahead")))
@settings(max_examples=50)
def test_no_draft_is_written_beyond_the_window(
    seed: int, pair_costs: tuple[Cost, Cost], caps: Limits, method: Method
) -> None:
    """Each chain of drafts has what was accepted of it, and a window more at most."""
    outcome = answer(method, random_pair(seed, tag="</think>"), pair_costs, caps)[1]
    chains = 1 + outcome.verified - outcome.accepted
    assert outcome.drafted <= outcome.accepted + (method.window or 0) * chains


@given(seeds, cost_pairs, limits, st.integers(1, 6))
@settings(max_examples=50)
def test_the_target_writes_ahead_what_was_asked_for(
    seed: int, pair_costs: tuple[Cost, Cost], caps: Limits, window: int
) -> None:
    def versions(target_speculation: str) -> list[Span]:
        method = METHODS["fpsr"].model_copy(
            update={"window": window, "target_speculation": target_speculation, "continues": False}
        )
        outcome = answer(method, random_pair(seed), pair_costs, caps)[1]
        return [span for span in outcome.spans if span.kind == "target"]

    frontier, needed = versions("frontier"), versions("none")
    assert all(one.end <= other.start for one, other in itertools.pairwise(frontier))
    assert not any(span.cancelled for span in needed)
    assert len(needed) <= len(frontier) <= len(versions("all"))


# --- ends, caps, budgets ---


@pytest.mark.parametrize(("factor", "finish"), [(1, "budget"), (2, "answer")])
def test_a_method_s_budget_is_a_multiple_of_the_common_one(factor: int, finish: str) -> None:
    model = listed(("a b", "c d", "e f", "Answer: 1"), (1.0,) * 9)  # 3 + 3 + 3 + 3 tokens
    for name, method in METHODS.items():
        caps = Limits(step_tokens=50, answer_tokens=6).under(method.model_copy(update={"budget": factor}))
        assert answer(name, (model, model), EVEN, caps)[1].finish == finish, name


@pytest.mark.parametrize("name", SPECULATIVE)
def test_an_answer_line_in_a_draft_step_ends_the_run(name: str) -> None:
    draft = listed(("a", "so\nAnswer: 7\nas I said", "never"), ())
    target = Script(lambda done: "no" + STEP_BREAK, lambda done: 1.0)
    outcome = answer(name, (target, draft), EVEN)[1]
    assert (outcome.text, outcome.finish) == ("a\n\nso\nAnswer: 7", "answer")


@pytest.mark.parametrize("name", SPECULATIVE)
def test_a_rejected_answer_line_ends_nothing(name: str) -> None:
    outcome = answer(name, (listed(("b", "c", "Answer: 2"), (0.0,) * 4), listed(("Answer: 1",) * 3)), EVEN)[1]
    assert (outcome.text, outcome.finish, outcome.accepted) == ("b\n\nc\n\nAnswer: 2", "answer", 0)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_an_answer_cut_by_the_step_cap_is_read_whole(name: str) -> None:
    model = listed(("one two three four five six", "Answer: 1 7 meters"), (1.0,) * 9)
    outcome = answer(name, (model, model), EVEN, Limits(step_tokens=3, answer_tokens=100))[1]
    assert outcome.text == "one two three four five six\n\nAnswer: 1 7 meters"
    assert outcome.finish == "answer"


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("budget", range(1, 12))
def test_the_budget_counts_committed_tokens(name: str, budget: int) -> None:
    model = listed(("a b", "c d", "e f", "Answer: 1"), (1.0,) * 9)  # 3 + 3 + 3 + 3 tokens
    outcome = answer(name, (model, model), EVEN, Limits(step_tokens=50, answer_tokens=budget))[1]
    assert (outcome.finish, outcome.tokens) == ("budget", budget)
    assert "a b\n\nc d\n\ne f\n\nAnswer: 1".startswith(outcome.text)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_last_token_of_the_budget_may_end_the_answer(name: str) -> None:
    model = listed(("a b", "Answer: 1"), (1.0,) * 9)
    outcome = answer(name, (model, model), EVEN, Limits(step_tokens=50, answer_tokens=6))[1]
    assert (outcome.finish, outcome.tokens) == ("answer", 6)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_an_end_without_an_answer(name: str) -> None:
    model = listed(("a", "and so on"), (1.0,) * 9)
    assert answer(name, (model, model), EVEN)[1].finish == "end"


def test_a_capped_step_is_never_accepted_unverified() -> None:
    capped, model = Limits(step_tokens=3, answer_tokens=100), listed(("a b c d e f", "Answer: 1"), (0.0,) * 9)
    outcome = answer("lookahead", (model, model), EVEN, capped)[1]
    assert [step.accepted for step in outcome.steps] == [False, False, False, True]  # equal, but cut, cut, empty rest


@pytest.mark.parametrize("name", SPECULATIVE)
def test_a_blank_draft_is_rejected_unasked(name: str) -> None:
    def no_verdict(done: tuple[str, ...]) -> float:
        assert not is_blank(done[-1])
        return 1.0

    target = Script(lambda done: ("t" + STEP_BREAK, "Answer: 1")[len(done)], no_verdict)
    outcome = answer(name, (target, listed(("</think>", "Answer: 2"))), EVEN)[1]
    assert outcome.steps[0].model_dump(include={"writer", "accepted", "verdict", "rejected"}) == {
        "writer": "target", "accepted": False, "verdict": None, "rejected": ""
    }  # fmt: skip
    assert outcome.text == "t\n\nAnswer: 2"


def test_a_draft_by_itself_closes_its_own_thinking_block() -> None:
    draft = listed(("</think>", "Answer: 2"))
    outcome = answer("draft_only", (draft, draft), (Cost(1.0), Cost(decode=1.0, request=100.0)))[1]
    assert outcome.text == "</think>\n\nAnswer: 2"
    assert max(span.end for span in outcome.spans) < 200  # one request, whatever it wrote


@pytest.mark.parametrize("score", range(10))
def test_specreason_accepts_scores_from_the_threshold_on(score: int) -> None:
    method = Method(loop="specreason", verifier="score", threshold=7)
    target = Script(lambda done: "Answer: t", lambda done: score / 10 + 0.05)
    step = answer(method, (target, listed(("Answer: d",))), EVEN)[1].steps[0]
    assert (step.verdict, step.accepted) == (score, score >= 7)


def test_a_missing_engine_is_named() -> None:
    async def ask() -> Outcome:
        target = VirtualEngine(listed(("Answer: 1",)), Cost(1.0))
        return await load("fpsr")(QUESTION, Engines(target=target), METHODS["fpsr"], WIDE)

    with pytest.raises(ValueError, match="needs a draft engine"):
        run(ask())


# --- nothing is left behind ---


class Failing(VirtualEngine):
    """Fails at one request."""

    def __init__(self, model: Any, cost: Cost, at: int) -> None:
        super().__init__(model, cost)
        self._requests, self._at = itertools.count(), at

    async def _read(self, prompt: Prompt) -> None:
        number = next(self._requests)
        await super()._read(prompt)
        if number == self._at:
            raise ConnectionError("engine died")


def watched(seed: int, method: Method, make: Callable[[int, Any], VirtualEngine], act: Any) -> Any:
    """Run `act(answer)`; afterwards no task is left and no engine has work."""

    async def ask() -> Any:
        engines = Engines(*(make(side, model) for side, model in enumerate(random_pair(seed))))
        try:
            return await act(load(method.loop)(QUESTION, engines, method, WIDE))
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert not engines.target._machine._work and not engines.draft._machine._work

    return run(ask())


@given(seeds, speculative, st.integers(0, 1), st.integers(0, 6))
def test_a_failure_ends_everything(seed: int, method: Method, side: int, at: int) -> None:
    def make(place: int, model: Any) -> VirtualEngine:
        return Failing(model, EVEN[place], at if place == side else -1)

    try:
        watched(seed, method, make, lambda question: question)
    except ConnectionError as error:
        assert str(error) == "engine died"
    else:  # the answer was there before that many requests were made
        assert at > 0


@given(seeds, any_method, st.floats(0, 30))
def test_a_dropped_question_ends_everything(seed: int, method: Method, after: float) -> None:
    async def drop(question: Any) -> None:
        task = asyncio.ensure_future(question)
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.wait([task])

    watched(seed, method, lambda place, model: VirtualEngine(model, EVEN[place]), drop)


@given(seeds, speculative)
@settings(max_examples=50)
def test_a_finished_question_leaves_nothing(seed: int, method: Method) -> None:
    watched(seed, method, lambda place, model: VirtualEngine(model, EVEN[place]), lambda question: question)


# --- what an engine refuses ---

shares = st.sampled_from([0.02, 0.1, 0.3])


def ended(outcome: Outcome) -> tuple[Any, ...]:
    """All that may not depend on time, and why an answer did not go on."""
    return *result(outcome), outcome.refused_by, outcome.refusal


@given(seeds, shares, cost_pairs, sided, told("fpsr"))
@settings(max_examples=200)
def test_fpsr_is_refused_where_specreason_is(
    seed: int, share: float, pair_costs: tuple[Cost, Cost], caps: Limits, method: Method
) -> None:
    """What was asked ahead and never needed counts for nothing."""
    pair = refusing_pair(seed, share, tag="</think>")
    parallel = answer(method, pair, pair_costs, caps)[1]
    assert ended(parallel) == ended(answer("specreason", pair, EVEN, caps)[1])


@given(seeds, shares, cost_pairs, limits, any_method)
@settings(max_examples=150)
def test_time_does_not_change_what_is_refused(
    seed: int, share: float, pair_costs: tuple[Cost, Cost], caps: Limits, method: Method
) -> None:
    pair = refusing_pair(seed, share)
    assert ended(answer(method, pair, pair_costs, caps)[1]) == ended(answer(method, pair, EVEN, caps)[1])


def lookahead_in_order(pair: tuple[Refusing, Refusing], caps: Limits, alpha: float) -> tuple[str, str, str | None]:
    """Lookahead Reasoning, nothing ahead of anything: text, finish and who refused."""
    (target, draft), prefix = pair, Prefix(QUESTION, caps)
    try:
        while prefix.finish is None:
            step = prefix.taken(draft.write(prefix.prompt, prefix.room), "draft")
            own = prefix.taken(target.write(prefix.prompt, prefix.room), "target")
            equal = step.finish == own.finish != "length" and same(step.text, own.text)
            if is_blank(step.text):
                accepted = False
            elif not (accepted := equal):
                asked = verdict_prompt(prefix.prompt, (step.text, own.text), ALIGN)
                yes, no = target.logprobs(asked, SAMENESS)
                accepted = 1 / (1 + math.exp(no - yes)) > alpha if math.inf not in (yes - no, no - yes) else yes > no
            prefix = prefix.after(step if accepted else own)
    except Refused as refusal:
        return prefix.prompt.answer.rstrip(), "refused", refusal.model
    return prefix.prompt.answer.rstrip(), prefix.finish, None


@given(seeds, shares | st.just(0.0), cost_pairs, limits, told("lookahead"))
@settings(max_examples=150)
def test_lookahead_is_refused_where_it_would_be_one_step_at_a_time(
    seed: int, share: float, pair_costs: tuple[Cost, Cost], caps: Limits, method: Method
) -> None:
    pair = refusing_pair(seed, share)
    outcome = answer(method, pair, pair_costs, caps)[1]
    assert (outcome.text, outcome.finish, outcome.refused_by) == lookahead_in_order(pair, caps, 0.5)


@given(seeds, shares, cost_pairs, limits, any_method)
def test_a_refused_answer_keeps_what_was_there(
    seed: int, share: float, pair_costs: tuple[Cost, Cost], caps: Limits, method: Method
) -> None:
    """Steps and spans; they are the beginning of the answer that engines without refusals give."""
    outcome = answer(method, refusing_pair(seed, share), pair_costs, caps)[1]
    whole = answer(method, random_pair(seed), EVEN, caps)[1]
    assert outcome.steps == whole.steps[: len(outcome.steps)]
    assert (outcome.finish == "refused") == (outcome.refusal is not None) == (outcome.refused_by is not None)
    assert outcome.refusal or ended(outcome) == ended(whole)
    assert outcome.tokens == sum(step.tokens for step in outcome.steps)
    assert not outcome.refusal or any(span.step == len(outcome.steps) for span in outcome.spans)


@given(seeds, shares, any_method)
@settings(max_examples=50)
def test_a_refused_question_leaves_nothing(seed: int, share: float, method: Method) -> None:
    def make(place: int, model: Any) -> VirtualEngine:
        return VirtualEngine(Refusing(model, "either", seed, share), EVEN[place])

    watched(seed, method, make, lambda question: question)


def test_a_version_that_is_never_needed_may_be_refused() -> None:
    """The target cannot write behind the first step, and need not: it accepts all that the draft writes."""

    class OnlyJudges(Script):
        def write(self, prompt: Prompt, room: int) -> Generation:
            if prompt.answer:
                raise Refused("big", "too long")
            return super().write(prompt, room)

    target = OnlyJudges(lambda done: "no" + STEP_BREAK, lambda done: 1.0)
    for name, text in (("specreason", "a\n\nAnswer: 1"), ("fpsr", "a\n\nAnswer: 1"), ("lookahead", "a")):
        outcome = answer(name, (target, listed(("a", "Answer: 1"))), EVEN)[1]
        assert (outcome.text, outcome.refused_by) == (text, "big" if name == "lookahead" else None), name


class Full(VirtualEngine):
    """Refuses after a second."""

    async def stream(self, prompt: Prompt, **limits: Any) -> Any:
        await asyncio.sleep(1)
        raise Refused("big", "too long")
        yield


class Lingering(VirtualEngine):
    """Takes two seconds to let go of a request that is dropped, and dies of it or does not."""

    async def stream(self, prompt: Prompt, **limits: Any) -> Any:
        try:
            await asyncio.sleep(9)
        finally:
            await asyncio.sleep(2)
            if self._model == "dies":
                raise ConnectionError("engine died")
        yield


async def refused_beside(draft: VirtualEngine) -> Outcome:
    async with running(QUESTION, Engines(Full(None, Cost(1.0)), draft), WIDE) as question:
        own, _ = Stream(question, "target", question.prefix), Stream(question, "draft", question.prefix)
        await own.at(0)
    return question.outcome()


def test_a_refusal_hides_no_failure() -> None:
    """The draft's engine dies while the refused question is wound up."""
    seconds, outcome = run(refused_beside(Lingering("lives", Cost(1.0))))
    assert (seconds, outcome.finish, outcome.refused_by) == (3, "refused", "big")
    with pytest.raises(ConnectionError, match="engine died"):
        run(refused_beside(Lingering("dies", Cost(1.0))))


def test_a_refusal_hides_no_end_from_outside() -> None:
    async def drop() -> bool:
        task = asyncio.ensure_future(refused_beside(Lingering("lives", Cost(1.0))))
        await asyncio.sleep(2)  # it is refused, and wound up
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert run(drop())[1]


def test_a_stream_that_ends_early_is_an_error() -> None:
    class Silent(VirtualEngine):
        async def stream(self, prompt: Prompt, *, meter: Meter, **limits: Any) -> Any:
            for step in ():
                yield step

    async def ask() -> Outcome:
        return await load("draft_only")(QUESTION, Engines(draft=Silent(None, Cost(1.0))), METHODS["draft_only"], WIDE)

    with pytest.raises(RuntimeError):
        run(ask())
