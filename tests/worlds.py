"""Simulated pairs of models for tests of the loops."""

import random
from collections.abc import Sequence
from typing import Any

from dreamr.config import Method
from dreamr.engines.protocol import Generation, Refused
from dreamr.engines.scripts import Script
from dreamr.engines.virtual import Cost, VirtualEngine, run
from dreamr.methods.protocol import Engines, Limits, Outcome, load
from dreamr.prompts import STEP_BREAK, Prompt
from dreamr.traces import Trace

QUESTION = Prompt("How many dots are there?", ())
WIDE = Limits(step_tokens=50, answer_tokens=10_000)
EVEN = (Cost(decode=1.0, verdict=1.0), Cost(decode=0.2))
METHODS = {
    "target_only": Method(loop="target_only"),
    "draft_only": Method(loop="draft_only"),
    "specreason": Method(loop="specreason", verifier="cpn", alpha=0.7),
    "lookahead": Method(loop="lookahead", verifier="align", alpha=0.5, window=4, continues=False),
    "cascade": Method(loop="cascade", verifier="cpn", alpha=0.7),
    "draft_model": Method(loop="draft_model", proposed_tokens=3),
    "fpsr": Method(loop="fpsr", verifier="cpn", alpha=0.7, window=4, target_speculation="all", continues=True),
}


def listed(steps: Sequence[str], rhos: Sequence[float] = ()) -> Script:
    """A model that writes these steps at their places whatever stands before, and judges each place by `rhos`."""
    texts = [step + STEP_BREAK for step in steps[:-1]] + [steps[-1]]
    return Script(lambda done: texts[len(done)], lambda done: rhos[len(done) - 1])


def random_pair(seed: int, acceptance: float = 0.6, alike: float = 0.3, tag: str = "so") -> tuple[Script, Script]:
    """Target and draft whose steps and verdicts are random functions of the steps so far.

    About one step in seven gives the answer, some are blank, some end without an answer, many hold `tag`.
    """

    def draft(done: tuple[str, ...]) -> str:
        return _random_step(random.Random(repr((seed, "draft", done))), tag)

    def target(done: tuple[str, ...]) -> str:
        dice = random.Random(repr((seed, "target", done)))
        return draft(done) if dice.random() < alike else _random_step(dice, tag)

    def verdict(done: tuple[str, ...]) -> float:
        return float(random.Random(repr((seed, "verdict", done))).random() < acceptance)

    return Script(target, verdict), Script(draft)


class Refusing:
    """A model that refuses some requests: a random function of what is asked."""

    def __init__(self, model: Script, name: str, seed: int, share: float) -> None:
        self._model, self._name, self._seed, self._share = model, name, seed, share

    def write(self, prompt: Prompt, room: int) -> Generation:
        self._take("write", prompt)
        return self._model.write(prompt, room)

    def logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        self._take("verdict", prompt)
        return self._model.logprobs(prompt, keywords)

    def text_logprobs(self, prompt: Prompt, text: str) -> tuple[float, ...]:
        self._take("read", prompt)
        return self._model.text_logprobs(prompt, text)

    def _take(self, *asked: object) -> None:
        if random.Random(repr((self._seed, self._name, asked))).random() < self._share:
            raise Refused(self._name, f"{asked[0]} {len(asked[1].answer)}")


def refusing_pair(seed: int, share: float, **settings: Any) -> tuple[Refusing, Refusing]:
    """A random pair whose engines refuse a share of what they are asked."""
    target, draft = random_pair(seed, **settings)
    return Refusing(target, "big", seed, share), Refusing(draft, "small", seed, share)


def _random_step(dice: random.Random, tag: str) -> str:
    words = " ".join(dice.choice(["two", "3", "dots", tag, "so\nAnswer:"]) for _ in range(dice.randrange(5)))
    kind = dice.random()
    if kind < 0.15:
        return f"Answer: {dice.randrange(20)}\nas {words}" + STEP_BREAK * (kind < 0.1)
    return words + STEP_BREAK * (kind < 0.97)


def answer(
    method: Method | str, pair: tuple[Any, Any], costs: tuple[Cost, Cost], limits: Limits = WIDE
) -> tuple[float, Outcome]:
    """Simulated seconds and outcome of one question that has both engines to itself."""
    seconds, (outcome,) = answers(method, pair, costs, limits, [QUESTION])
    return seconds, outcome


def answers(
    method: Method | str, pair: tuple[Any, Any], costs: tuple[Cost, Cost], limits: Limits, prompts: Sequence[Prompt]
) -> tuple[float, list[Outcome]]:
    """Simulated seconds and outcomes of questions that are asked at once."""
    import asyncio

    method = METHODS[method] if isinstance(method, str) else method
    loop = load(method.loop)

    async def ask() -> list[Outcome]:
        engines = Engines(*(VirtualEngine(model, cost) for model, cost in zip(pair, costs, strict=True)))
        return await asyncio.gather(*(loop(prompt, engines, method, limits) for prompt in prompts))

    return run(ask())


def traced(outcome: Outcome, method: str) -> Trace:
    """`outcome` as it is recorded."""
    tokens = len(outcome.text.split())
    names = {"question": "q", "benchmark": "b", "target": "t", "draft": "d", "method": method, "mode": "alone"}
    return Trace(**names, digest="", seconds=0.0, tokens_by_target=tokens, device="virtual", **vars(outcome))
