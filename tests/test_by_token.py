"""Speculative decoding with a draft model on the real engines, beside the target alone."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from engines import SAMPLING, engine_of
from micro_questions import read_prompts, write_benchmarks
from test_vllm_engine import DRAFTS, TARGETS, ZOO

from dreamr.config import Method
from dreamr.engines.protocol import Meter, Refused
from dreamr.engines.vllm.engine import VllmEngine
from dreamr.errors import UserError
from dreamr.methods.protocol import Engines, Limits, Outcome, load
from dreamr.prompts import Prompt

pytestmark = [pytest.mark.models, pytest.mark.slow]

Run = Callable[[Coroutine[Any, Any, Any]], Any]
METHOD, ALONE = Method(loop="draft_model", proposed_tokens=4), Method(loop="target_only")
LIMITS = Limits(SAMPLING.step_tokens, SAMPLING.answer_tokens)
TIE = 1e-3  # of log-probabilities: what rounding of float32 may turn


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> list[Prompt]:
    folder = tmp_path_factory.mktemp("data")
    write_benchmarks(folder)
    return read_prompts(folder)[::2]


@pytest.fixture(scope="module", params=TARGETS)
def engines(request: pytest.FixtureRequest, run: Run) -> Iterator[Engines]:
    """Both models of a pair with one tokenizer."""
    target, draft = engine_of(ZOO, request.param), engine_of(ZOO, DRAFTS[0])
    for engine in (target, draft):
        run(engine.__aenter__())
    yield Engines(target, draft)
    for engine in (draft, target):
        run(engine.__aexit__())


async def answer(method: Method, prompt: Prompt, engines: Engines) -> Outcome:
    outcome: Outcome = await load(method.loop)(prompt, engines, method, LIMITS)
    return outcome


async def tied(target: VllmEngine, prompt: Prompt, one: str, other: str) -> bool:
    """Whether the target finds two tokens equally likely where two texts part, as their pieces behind it show."""
    whole = [await target.prompt_tokens(replace(prompt, answer=text)) for text in (one, other)]
    at = next(place for place, pair in enumerate(zip(*whole, strict=False)) if len({*pair}) > 1)
    begun = at - len(await target.prompt_tokens(prompt))
    found = [(await target.text_logprobs(prompt, text))[begun] for text in (one, other)]
    return abs(found[0] - found[1]) < TIE


def test_the_text_is_that_of_the_target_alone(engines: Engines, run: Run, prompts: list[Prompt]) -> None:
    """Token by token, but for ties that rounding turns: their share is reported."""
    same, rounds, written = 0, 0, 0
    for prompt in prompts:
        alone, found = (run(answer(method, prompt, engines)) for method in (ALONE, METHOD))
        equal = (found.text, found.steps, found.finish) == (alone.text, alone.steps, alone.finish)
        assert equal or run(tied(engines.target, prompt, alone.text, found.text)), (alone.text, found.text)
        same += equal
        rounds += sum(span.kind == "target" for span in found.spans)
        written += found.tokens
    print(f"{engines.target.name}: {same} of {len(prompts)} texts are the same, {written / rounds:.2f} tokens a check")
    assert same >= 0.9 * len(prompts)
    assert written > 1.5 * rounds  # proposals are taken


def test_texts_at_once_and_alone_agree(engines: Engines, run: Run, prompts: list[Prompt]) -> None:
    async def at_once() -> list[str]:
        return [one.text for one in await asyncio.gather(*(answer(METHOD, prompt, engines) for prompt in prompts))]

    alone = [run(answer(METHOD, prompt, engines)).text for prompt in prompts]
    same = sum(one == other for one, other in zip(alone, run(at_once()), strict=True))
    assert same >= 0.9 * len(prompts)


def test_choices_are_what_the_target_writes(engines: Engines, run: Run, prompts: list[Prompt]) -> None:
    """Behind proposals that it would write itself, and behind one that it would not."""
    target = engines.target

    async def ask(prompt: Prompt) -> None:
        own = await target.propose(prompt, (), max_tokens=6, meter=Meter())
        assert [choice.token for choice in await target.choices(prompt, (), own[:5])] == [*own]
        wrong = (*own[:2], own[0])
        found = [choice.token for choice in await target.choices(prompt, (), wrong)]
        assert found[:3] == [*own[:3]]
        assert found[3] == (await target.propose(prompt, wrong, max_tokens=1, meter=Meter()))[0]

    for prompt in prompts[:4]:
        run(target.reset())
        for _ in range(2):  # the second time the cache holds what is asked about
            run(ask(prompt))


@pytest.mark.parametrize("beyond", [1, 2, 5, 30])
def test_a_context_that_is_full_ends_the_answer_where_the_target_alone_ends(
    run: Run, prompts: list[Prompt], beyond: int
) -> None:
    async def ends() -> list[tuple[Any, ...]]:
        async with engine_of(ZOO, TARGETS[0]) as engine:
            tokens = len(await engine.prompt_tokens(prompts[0]))
        async with AsyncExitStack() as stack:
            both = [
                await stack.enter_async_context(engine_of(ZOO, name, context=tokens + beyond))
                for name in (TARGETS[0], DRAFTS[0])
            ]
            found = [await answer(method, prompts[0], Engines(*both)) for method in (ALONE, METHOD)]
        return [(one.text, one.steps, one.finish, one.refused_by, one.refusal) for one in found]

    alone, found = run(ends())
    assert alone == found and alone[2] == "refused"


def test_sampling_is_refused(
    engines: Engines, run: Run, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.target, "_sampling", SAMPLING.model_copy(update={"temperature": 0.8}))
    with pytest.raises(UserError, match=r"generation\.temperature is 0.8, and has to be 0") as told:
        run(engines.target.choices(prompts[0], (), ()))
    assert not isinstance(told.value, Refused)


def test_tokenizers_are_told_apart(engines: Engines, run: Run) -> None:
    async def other() -> str:
        async with engine_of(ZOO, "r4b-2l") as engine:
            return engine.tokenizer

    assert engines.target.tokenizer == engines.draft.tokenizer != run(other())
