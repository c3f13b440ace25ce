"""How often the intervals of the addends cover them."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from simulations import Random, Simulation, covers

from dreamr.statistics.intervals import Array, difference
from dreamr.statistics.paired import Crossed
from dreamr.studies.gaming.decomposition import ADDENDS, RIGHT, Side, addend, addends, column

KINDS, SHAPE, STEPS = ("read", "sum"), (4, 2, 60), 6  # plain drafts, targets, questions; steps of an answer
UNLIKE, BY_DRAFT = 0.6, 0.15  # spreads of logits: of questions, of trainings of a draft
# By side: logit of a right step, shares of reads among right and wrong ones, logits of acceptance by right and kind.
SIDES = {
    "": (1.7, (0.6, 0.35), ((3.0, 2.6), (-0.2, -0.9))),
    "_other": (0.9, (0.5, 0.65), ((2.6, 2.5), (-0.9, -1.4))),
}


def drawn(rng: Random, suffix: str, easy: Array) -> dict[str, Array]:
    """Columns of one side's answers, flat; `easy` is what a question has for all."""
    correct, reads, accepted = SIDES[suffix.removeprefix("_exchanged") or ""]
    mine = rng.normal(0, BY_DRAFT, size=(2, SHAPE[0], 1, 1))
    share = stats.logistic.cdf(correct + mine[0] + rng.normal(0, 0.3, size=SHAPE))
    columns, left = {}, rng.binomial(STEPS, share)
    for number, (right, steps) in enumerate(((True, left), (False, STEPS - left))):
        first = rng.binomial(steps, reads[number])
        for kind, count, logit in zip(KINDS, (first, steps - first), accepted[number], strict=True):
            passed = rng.binomial(count, stats.logistic.cdf(logit + mine[1] + easy))
            columns[column("verified", right, kind) + suffix] = count.astype(float).ravel()
            columns[column("accepted", right, kind) + suffix] = passed.astype(float).ravel()
    return columns


def mean_rate(logit: float, *spreads: float) -> float:
    return float(stats.norm.expect(lambda more: stats.logistic.cdf(logit + more), scale=np.hypot(*spreads)))


def population(suffix: str) -> Side:
    """The shares of a side of which answers are drawn."""
    correct, reads, accepted = SIDES[suffix]
    p = mean_rate(correct, BY_DRAFT, 0.3)
    mix = np.array([[of * share, of * (1 - share)] for of, share in zip((p, 1 - p), reads, strict=True)])
    rates = np.array([[mean_rate(logit, BY_DRAFT, UNLIKE) for logit in row] for row in accepted])
    return Side(mix, mix * rates)


TRUE = addends(population(""), population("_other"))


def answered(rng: Random, *suffixes: str) -> Crossed:
    easy = rng.normal(0, UNLIKE, size=SHAPE[2])
    columns = {name: values for suffix in suffixes for name, values in drawn(rng, suffix, easy).items()}
    draft, _, question = np.indices(SHAPE).reshape(3, -1)
    return Crossed(columns, question, draft)


def one(name: str) -> Callable[[Random], bool]:
    """An addend of two drafts' steps."""
    return lambda rng: covers(answered(rng, "", "_other").interval(addend(name, KINDS), 0.95), float(TRUE[name]))


def before_two_judges(rng: Random) -> bool:
    """What wrong steps gain before one judge minus that before another, where both are alike."""
    found = answered(rng, "", "_other", "_exchanged", "_exchanged_other")
    own, other = (
        addend("wrong_steps", KINDS, *sides) for sides in (("", "_other"), ("_exchanged", "_exchanged_other"))
    )
    return covers(found.interval(difference(own, other), 0.95), 0.0)


SIMULATIONS = (
    *(
        Simulation(f"crossed: addend {name}, 4 drafts on 2 targets, 60 questions", one(name), 0.94, 1)
        for name in ADDENDS
    ),
    Simulation("crossed: wrong steps before two judges, 4 drafts, 60 questions", before_two_judges, 0.94, 1),
)


def test_the_simulated_sides_are_unlike_in_each_addend() -> None:
    assert {*RIGHT} == {True, False} and all(abs(value) > 0.002 for value in TRUE.values())


@pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda simulation: simulation.name)
def test_a_rate_is_as_it_should_be(simulation: Simulation) -> None:
    assert simulation.holds()
