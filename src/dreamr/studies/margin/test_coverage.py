"""How often both intervals of a loss cover it: that of these drafts, and that of their recipe.

Two targets, four plain drafts, two trainings of each pair, and 300 problems that all of them answer.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from factories import config
from simulations import BOOTSTRAP, Random, Simulation, covers

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.pooling import Group
from dreamr.studies.margin.tables import both

JOB = SummariseJob.of(config())
JOB = JOB.model_copy(update={"statistics": JOB.statistics.model_copy(update={"resamples": BOOTSTRAP.resamples})})
DRAFTS, TARGETS, TRAININGS, PROBLEMS = 4, 2, 2, 300
RIGHT, WON = 0.93, 0.2  # the target by itself; of its wrong answers the method has so many right
LOSS, OF_DRAFTS, OF_TRAININGS = 0.05, 0.008, 0.008  # of the target's right answers; standard deviations
HARD = np.array([0.0, 10 / 3])  # losses fall on three problems of ten


def losses(rng: Random, of_drafts: float) -> np.ndarray:
    """Of each training, shape (drafts, targets, trainings)."""
    shape = (DRAFTS, TARGETS, TRAININGS)
    drawn = LOSS + rng.normal(0, of_drafts, size=(DRAFTS, 1, 1)) + rng.normal(0, OF_TRAININGS, size=shape)
    return np.clip(drawn, 0, 0.3)


def answered(rng: Random, lost: np.ndarray) -> Group:
    """Answers of all trainings to the same problems."""
    hard = rng.choice(HARD, p=[0.7, 0.3], size=PROBLEMS)
    alone = rng.random((1, TARGETS, 1, PROBLEMS)) < RIGHT
    chance = np.where(alone, 1 - lost[..., None] * hard, WON)
    right = rng.random(chance.shape) < chance
    draft, _, training, problem = np.indices(chance.shape)
    columns = {
        "n": np.ones(chance.size),
        "correct": right.ravel().astype(float),
        "target_correct": np.broadcast_to(alone, chance.shape).ravel().astype(float),
        "lost": (~right & alone).ravel().astype(float),
        "won": (right & ~alone).ravel().astype(float),
    }
    number = np.arange(lost.size).repeat(PROBLEMS)
    names = np.array([f"draft {one}" for one in range(DRAFTS)], dtype=object)[draft.ravel()]
    return Group(columns, np.ones(chance.size), problem.ravel(), number, training.ravel(), names)


def truth(lost: float) -> float:
    return WON * (1 - RIGHT) - RIGHT * lost


def hit(name: Literal["these", "such"], of_drafts: float) -> Callable[[Random], bool]:
    """For these drafts the truth is the mean loss of those drawn, for drafts like these that of their recipe."""

    def covered(rng: Random) -> bool:
        lost = losses(rng, of_drafts)
        found = both(answered(rng, lost), JOB)[name]
        return covers(found, truth(float(lost.mean()) if name == "these" else LOSS))

    return covered


SIMULATIONS = (
    Simulation("margin: these drafts", hit("these", OF_DRAFTS), 0.94, 0.96),
    Simulation("margin: drafts like these", hit("such", OF_DRAFTS), 0.93, 0.99),
    Simulation("margin: drafts like these, plain ones alike", hit("such", 0.0), 0.94, 1.0),
)


@pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda simulation: simulation.name)
def test_a_rate_is_as_it_should_be(simulation: Simulation) -> None:
    assert simulation.holds()
