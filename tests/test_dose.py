"""Verdicts of the step oracle with set errors, and the map of accuracy that they draw."""

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories import config
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
from dreamr.planning.jobs import SummariseJob
from dreamr.prompts import STEP_BREAK, VERIFY, Prompt, verdict_prompt
from dreamr.records import write_rows
from dreamr.statistics.dose import dose, placed
from dreamr.verifiers.protocol import verifier
from zoo.mistakes import mistaken

TRUTH = random_truth(np.random.default_rng(3))
RIGHT = terse(canonical(TRUTH))
WRONG = mistaken(TRUTH, canonical(TRUTH)[1], np.random.default_rng(0)).say()
SETTINGS = config()
JOB = SummariseJob.of(SETTINGS)


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
    ahead = {"window": 4, "rivals": "all", "continues": True} if loop == "fpsr" else {}
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


# --- the map ---

PAIR = {"target": "t", "draft": "d"}
NODES = {"n00": (0.0, 0.0), "n01": (0.0, 1.0), "n10": (1.0, 0.0), "n11": (1.0, 1.0)}
METHODS = {
    **{n: Method(loop="specreason", verifier="oracle", false_accept=a, false_reject=r) for n, (a, r) in NODES.items()},
    "real": Method(loop="specreason", verifier="score", threshold=7),
    "twin": Method(loop="fpsr", verifier="score", threshold=7, window=4, rivals="all", continues=True),
    "other": Method(loop="specreason", verifier="cpn", alpha=0.7, draft="balanced"),
}
MAP_JOB = JOB.model_copy(update={"methods": METHODS})


def answers(correct: dict[str, list[int]]) -> pd.DataFrame:
    """One answer a question and method; the target gets the even questions right."""
    rows = [
        PAIR | {"method": name, "benchmark": "mmmu", "item": f"mmmu/{i}", "cluster": i, "n": 1.0}
        | {"correct": float(right), "target_correct": float(i % 2 == 0)}
        for name, column in correct.items()
        for i, right in enumerate(column)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def steps(false_accept: int, false_reject: int, method: str = "real") -> pd.DataFrame:
    """Eight wrong and eight right steps of eight questions, so many of them judged wrongly."""
    rows = [
        PAIR | {"method": method, "benchmark": "mmmu", "question": str(i), "cluster": i, "n": 1.0}
        | {"wrong": 1.0, "wrong_accepted": float(i < false_accept)}
        | {"right": 1.0, "right_rejected": float(i < false_reject)}
        for i in range(8)
    ]  # fmt: skip
    return pd.DataFrame(rows)


CORRECT = {
    "n00": [1] * 10,
    "n01": [1] * 8 + [0] * 2,
    "n10": [1] * 4 + [0] * 6,
    "n11": [1] * 2 + [0] * 8,
    "real": [0] * 2 + [1] * 5 + [0] * 3,
    "other": [1] * 10,
}


def test_a_real_verifier_is_compared_with_the_map_where_its_rates_put_it() -> None:
    """Rates of a quarter, both: 9/16, 3/16, 3/16 and 1/16 of the nodes."""
    table = dose(answers(CORRECT), steps(2, 2), MAP_JOB).set_index("method")
    real = table.loc["real"]
    assert (real.kind, real.false_accept, real.false_reject) == ("measured", 0.25, 0.25)
    assert real.predicted == pytest.approx((9 * 1.0 + 3 * 0.8 + 3 * 0.4 + 1 * 0.2) / 16)
    assert real.distance == pytest.approx(0.5 - real.predicted)
    assert real.distance_low < real.distance < real.distance_high
    assert real.faultless_change == pytest.approx(-0.5) and real.accuracy_change == pytest.approx(0.0)


def test_a_node_is_what_was_answered_there_and_predicts_nothing() -> None:
    table = dose(answers(CORRECT), steps(2, 1), MAP_JOB).set_index("method")
    assert table.accuracy[list(NODES)].tolist() == pytest.approx([1.0, 0.8, 0.4, 0.2])
    assert table.predicted[list(NODES)].isna().all() and set(table.kind[list(NODES)]) == {"set"}
    assert dict(zip(NODES, zip(table.set_false_accept, table.set_false_reject, strict=True), strict=False)) == NODES


def test_beyond_the_map_nothing_is_predicted() -> None:
    near = {name: METHODS[name].model_copy(update={"false_accept": 0.2}) for name in ("n10", "n11")}
    job = MAP_JOB.model_copy(update={"methods": METHODS | near})
    real = dose(answers(CORRECT), steps(2, 2), job).set_index("method").loc["real"]
    assert real.false_accept == 0.25 and math.isnan(real.predicted) and math.isnan(real.distance)


def test_a_map_with_a_hole_predicts_nothing_there() -> None:
    part = {name: column for name, column in CORRECT.items() if name != "n11"}
    real = dose(answers(part), steps(2, 1), MAP_JOB).set_index("method").loc["real"]
    assert math.isnan(real.predicted) and real.accuracy == 0.5


def test_only_questions_that_every_node_answered_count() -> None:
    rows = answers(CORRECT)
    rows = rows[(rows.method != "n11") | (rows["item"] != "mmmu/0")]
    assert set(dose(rows, steps(2, 1), MAP_JOB).n) == {9}


def test_placed_are_methods_with_the_same_draft_one_of_a_kind() -> None:
    assert placed(METHODS, ["n00"]) == ["real"]


def test_without_nodes_the_map_is_empty() -> None:
    table = dose(answers({"real": [1] * 10}), steps(2, 1), MAP_JOB)
    assert table.empty and "distance_low" in table
