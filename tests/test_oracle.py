"""Verdicts of the step oracle with set errors."""

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import listed

from dreamr import cpn
from dreamr.config import Method
from dreamr.engines.protocol import Engine
from dreamr.engines.scripts import Script
from dreamr.engines.virtual import Cost, VirtualEngine, run
from dreamr.methods.protocol import Engines, Limits, load
from dreamr.micro.datasets import Fact
from dreamr.micro.steps import canonical, terse
from dreamr.micro.verdicts import OracleEngine, truths
from dreamr.micro.world import random_truth
from dreamr.prompts import STEP_BREAK, VERIFY, Prompt, verdict_prompt
from dreamr.records import write_rows
from dreamr.verifiers.protocol import verifier
from zoo.mistakes import mistaken

TRUTH = random_truth(np.random.default_rng(3))
RIGHT = terse(canonical(TRUTH))
WRONG = mistaken(TRUTH, canonical(TRUTH)[1], np.random.default_rng(0)).say()


def silent() -> Engine:
    return VirtualEngine(Script(lambda done: "", lambda done: 0.5), Cost(1.0))


def judging(false_accept: float, false_reject: float, user: str = "?", seed: int = 0) -> OracleEngine:
    return OracleEngine(silent(), {(user, ("a.png",)): TRUTH}, false_accept, false_reject, seed)


def takes(engine: OracleEngine, steps: list[str], user: str = "?") -> bool:
    """Whether the last of the steps is accepted, asked as a loop asks."""
    judge = verifier(Method(loop="specreason", verifier="oracle", false_accept=0, false_reject=0))
    prefix = Prompt(user, ("a.png",), "".join(step + STEP_BREAK for step in steps[:-1]))
    return asyncio.run(judge(engine, prefix, steps[-1], "")).accepted


def test_without_errors_it_is_the_oracle_and_with_nothing_but_errors_its_contrary() -> None:
    for number in range(1, len(RIGHT) + 1):
        assert takes(judging(0, 0), RIGHT[:number]) and not takes(judging(1, 1), RIGHT[:number])
    assert not takes(judging(0, 0), [RIGHT[0], WRONG]) and takes(judging(1, 1), [RIGHT[0], WRONG])


@pytest.mark.parametrize(("step", "wrong_taken"), [(RIGHT[0], 0.7), (WRONG, 0.2)])
def test_errors_come_at_the_set_rates(step: str, wrong_taken: float) -> None:
    """Of 600 questions: three standard errors of a share are at most .06."""
    accepted = [takes(judging(0.2, 0.3, user), [step], user) for user in map(str, range(600))]
    assert np.mean(accepted) == pytest.approx(wrong_taken, abs=0.06)


@given(st.text(min_size=1, max_size=5), st.floats(0, 1), st.floats(0, 1))
def test_errors_of_a_smaller_rate_are_among_those_of_a_larger(user: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert takes(judging(less, 0, user), [WRONG], user) <= takes(judging(more, 0, user), [WRONG], user)
    assert takes(judging(0, less, user), RIGHT[:1], user) >= takes(judging(0, more, user), RIGHT[:1], user)


def test_errors_depend_on_the_seed_and_on_no_folder() -> None:
    prompt = verdict_prompt(Prompt("?", ("a.png",)), (WRONG,), VERIFY)
    moved = replace(prompt, images=("/elsewhere/a.png",))
    engines = [
        OracleEngine(silent(), {("?", p.images): TRUTH for p in (prompt, moved)}, 0.5, 0.5, s) for s in range(20)
    ]
    told = [[asyncio.run(engine.keyword_logprobs(p, cpn.KEYWORDS)) for p in (prompt, moved)] for engine in engines]
    assert all(here == there for here, there in told)
    assert {here for here, _ in told} == {(0.0, -math.inf), (-math.inf, 0.0)}


@pytest.mark.parametrize("loop", ["specreason", "fpsr"])
@pytest.mark.parametrize("rates", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
def test_a_loop_takes_right_steps_of_the_draft_and_replaces_wrong_ones(loop: str, rates: tuple[float, float]) -> None:
    drafted = [RIGHT[0], WRONG, *RIGHT[2:]]
    own, draft = (listed(steps) for steps in (RIGHT, drafted))
    ahead = {"window": 4, "target_speculation": "all", "continues": True} if loop == "fpsr" else {}
    method = Method(loop=loop, verifier="oracle", false_accept=rates[0], false_reject=rates[1], **ahead)

    async def answered() -> tuple[str, ...]:
        engine = OracleEngine(VirtualEngine(own, Cost(1.0)), {("?", ()): TRUTH}, *rates, seed=0)
        engines = Engines(target=engine, draft=VirtualEngine(draft, Cost(0.1)))
        outcome = await load(loop)(Prompt("?", ()), engines, method, Limits(60, 600))
        return tuple(step.writer for step in outcome.steps)

    _, writers = run(answered())
    expected = {(0.0, 0.0): [1], (1.0, 0.0): [], (0.0, 1.0): range(len(RIGHT))}[rates]
    assert writers == tuple("target" if place in expected else "draft" for place in range(len(RIGHT)))


def test_truths_are_found_by_words_and_images(tmp_path: Path) -> None:
    write_rows(tmp_path / "mmmu" / "truth.jsonl", [Fact(id="7", truth=TRUTH)])
    prompt = Prompt("?", ("/data/images/a.png",))
    assert truths(tmp_path, [("mmmu", "7", prompt)]) == {("?", ("/data/images/a.png",)): TRUTH}
