"""How often an interval covers the truth, and a test finds what is there, in simulated experiments.

The suite runs some hundreds of each (test_coverage.py, here and in the folders of studies); `python
tests/simulations.py 2000` runs as many as it is told and prints the rates.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from math import sqrt

import numpy as np
from scipy import stats

from dreamr.statistics.intervals import Bootstrap, Interval, difference, quotient, ratio, share
from dreamr.statistics.intervals import times as quotient_of
from dreamr.statistics.paired import Crossed, flip_p, student
from dreamr.statistics.risk import risk_test
from dreamr.statistics.shares import change_interval, share_interval
from dreamr.studies.catalogue import files

Random = np.random.Generator
BOOTSTRAP = Bootstrap(resamples=1000, confidence=0.95, seed=0)
APART = difference(ratio("x", "n"), ratio("x_other", "n_other"))


@dataclass(frozen=True)
class Simulation:
    """One experiment: does its interval cover, or its test find; and between which rates that is as it should be."""

    name: str
    hit: Callable[[Random], bool]
    least: float
    most: float

    def rate(self, number: int) -> float:
        """Share of hits in `number` experiments."""
        rng = np.random.default_rng(11)
        return float(np.mean([self.hit(rng) for _ in range(number)]))

    def holds(self, number: int = 300) -> bool:
        """Whether the rate is within three standard errors of so few experiments."""
        error = 3 * sqrt(0.05 * 0.95 / number)
        return self.least - error <= self.rate(number) <= self.most + error


def covers(found: Interval, truth: float) -> bool:
    return found.low <= truth <= found.high


def bootstrapped(above: np.ndarray, below: np.ndarray) -> Interval:
    return BOOTSTRAP.intervals({"a": above, "b": below}, {"r": ratio("a", "b")})["r"]


def apart(sums: Mapping[str, np.ndarray]) -> Interval:
    return BOOTSTRAP.intervals(sums, {"d": APART})["d"]


def paired(own: np.ndarray, other: np.ndarray, count: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Cluster sums of two methods; by default of one question a cluster."""
    count = np.ones(len(own)) if count is None else count
    return {"x": own, "x_other": other, "n": count, "n_other": count}


def five_versions(rng: Random) -> bool:
    """Five versions of each of 40 problems, right together more often than apart."""
    return covers(bootstrapped(rng.binomial(5, rng.beta(4.8, 1.2, size=40)).astype(float), np.full(40, 5.0)), 0.8)


def unequal_clusters(rng: Random) -> bool:
    sizes = rng.integers(2, 9, size=60)
    return covers(bootstrapped(rng.binomial(sizes, rng.beta(4, 2, size=60)).astype(float), sizes.astype(float)), 2 / 3)


def rare_changes(rng: Random) -> bool:
    """Paired differences of 384 answers: few won, few lost."""
    return covers(bootstrapped(rng.choice([-1.0, 0.0, 1.0], p=[0.06, 0.9, 0.04], size=384), np.ones(384)), -0.02)


def near_one(rng: Random) -> bool:
    """Three questions of each of 24 clusters, of which one in 20 fails as a whole or in part."""
    hits = rng.binomial(3, np.where(rng.random(24) < 0.1, 0.5, 1.0)).astype(float)
    return covers(share_interval(hits, np.full(24, 3.0), 0.95), 0.95)


def few_changes(rng: Random) -> bool:
    """Of 60 questions one in 50 is won and one in 25 lost."""
    changes = rng.choice([-1, 0, 1], p=[0.04, 0.94, 0.02], size=60)
    lost, won = (changes < 0).astype(float), (changes > 0).astype(float)
    return covers(change_interval(lost, won, np.ones(60), 0.95), -0.02)


def times(rng: Random, questions: int, speed: float, spread: float = 0.35) -> tuple[np.ndarray, np.ndarray]:
    """Skewed times of the target, and those of a method that is `speed` times as fast, more or less."""
    baseline = rng.lognormal(0, 0.5, size=questions)
    return baseline, baseline / speed * rng.lognormal(0, spread, size=questions)


def total_times(questions: int) -> Callable[[Random], bool]:
    """A speed-up: the quotient of mean times."""

    def hit(rng: Random) -> bool:
        baseline, seconds = times(rng, questions, 2)
        return covers(student({"a": baseline, "b": seconds}, quotient_of("a", "b"), 0.95), 2 / np.exp(0.35**2 / 2))

    return hit


def speed_ratio(questions: int) -> Callable[[Random], bool]:
    """The quotient of two speed-ups on the same questions, each beside a run of the target of its own."""

    def hit(rng: Random) -> bool:
        baseline = rng.lognormal(0, 0.5, size=questions)
        sums = {
            f"{name}{side}": baseline * rng.lognormal(0, 0.05, size=questions) / speed
            for side, speed in (("", 2.0), ("_other", 1.5))
            for name, speed in (("a", 1.0), ("b", speed))
        }
        return covers(student(sums, quotient(ratio("a", "b"), ratio("a_other", "b_other")), 0.95), 2 / 1.5)

    return hit


SIZES, RATES = (60, 24, 16, 12), (0.6, 0.75, 0.85, 0.9)


def of_benchmarks(rng: Random) -> bool:
    """Four benchmarks of unlike sizes, which weigh alike."""
    hits = np.concatenate([rng.binomial(1, rate, size=size) for size, rate in zip(SIZES, RATES, strict=True)])
    weights = np.concatenate([np.full(size, 1 / size) for size in SIZES])
    return covers(bootstrapped(hits * weights, weights), float(np.mean(RATES)))


def share_over_trainings(rng: Random) -> bool:
    """A share near one, of four drafts that differ a little, on 60 questions that differ more."""
    odds = 2.5 + rng.normal(0, 0.2, size=(4, 1)) + rng.normal(0, 0.8, size=60)
    hits = rng.binomial(1, stats.logistic.cdf(odds)).astype(float)
    place = np.indices(hits.shape).reshape(2, -1)
    crossed = Crossed({"x": hits.ravel(), "n": np.ones(hits.size)}, place[1], place[0])
    return covers(crossed.interval(share("x"), 0.95), SHARE)


def accuracy_change(rng: Random) -> bool:
    """Two methods on five versions of 40 problems, one of them a little worse."""
    hard = rng.beta(4.8, 1.2, size=40)
    own, other = rng.binomial(5, 0.95 * hard).astype(float), rng.binomial(5, hard).astype(float)
    return covers(apart(paired(own, other, np.full(40, 5.0))), -0.04)


def acceptance_change(rng: Random) -> bool:
    """Shares of steps, of which longer answers have more."""
    sums, easy = {}, rng.normal(0, 0.5, size=48)
    for side, base in (("", 2.0), ("_other", 1.5)):
        sums[f"n{side}"] = rng.integers(3, 12, size=48).astype(float)
        sums[f"x{side}"] = rng.binomial(sums[f"n{side}"].astype(int), stats.logistic.cdf(base + easy)).astype(float)
    return covers(apart(sums), ACCEPTANCE[2.0] - ACCEPTANCE[1.5])


ACCEPTANCE = {
    base: stats.norm.expect(lambda easy, base=base: stats.logistic.cdf(base + easy), scale=0.5) for base in (2.0, 1.5)
}


SHARE = stats.norm.expect(lambda easy: stats.logistic.cdf(2.5 + easy), scale=sqrt(0.2**2 + 0.8**2))


def over_trainings(
    units: int, each: int, questions: int, unit_spread: float, spread: float
) -> Callable[[Random], bool]:
    """`each` trainings of `units` drafts: what they share, what a question has for all, and .4 for each answer."""

    def hit(rng: Random) -> bool:
        cells = rng.normal(0, 0.4, size=(units, each, questions)) + rng.normal(0, spread, size=questions)
        cells += rng.normal(0, unit_spread, size=(units, 1, 1))
        place = np.indices(cells.shape).reshape(3, -1)
        columns = paired(cells.ravel(), np.zeros(cells.size))
        return covers(Crossed(columns, place[2], place[0]).interval(APART, 0.95), 0)

    return hit


def finds(questions: int, own: float, other: float, noise: float) -> Callable[[Random], bool]:
    """Whether the test by sign flips tells two methods apart whose times hang together by the question."""

    def hit(rng: Random) -> bool:
        baseline = rng.lognormal(0, 0.5, size=questions)
        logs = [
            np.log(times) for times in (baseline / s * rng.lognormal(0, noise, size=questions) for s in (own, other))
        ]
        return flip_p(paired(*logs), APART, 0) <= 0.05

    return hit


def certifies(problems: int, discordant: float, loss: float) -> Callable[[Random], bool]:
    """Whether a mean loss is found to be below .03; `discordant` problems are right for one of both alone."""
    odds = [(discordant + loss) / 2, 1 - discordant, (discordant - loss) / 2]
    return lambda rng: (
        risk_test(rng.choice([1.0, 0.0, -1.0], p=odds, size=problems), 0.03, 0.05, problems).decision == "certified"
    )


SHARED = (
    Simulation("bootstrap: accuracy, 40 problems of five versions", five_versions, 0.93, 0.97),
    Simulation("bootstrap: accuracy, 60 unequal clusters", unequal_clusters, 0.93, 0.97),
    Simulation("bootstrap: change of accuracy, 384 answers, few changes", rare_changes, 0.93, 0.97),
    Simulation("bootstrap: four benchmarks of unlike sizes that weigh alike", of_benchmarks, 0.93, 0.98),
    Simulation("exact: accuracy near one, 24 clusters of three", near_one, 0.95, 1),
    Simulation("exact: change of accuracy, 60 questions, few changes", few_changes, 0.95, 1),
    Simulation("bootstrap: change of accuracy, 40 problems of five versions", accuracy_change, 0.93, 0.97),
    Simulation("bootstrap: change of acceptance, 48 questions", acceptance_change, 0.93, 0.97),
    Simulation("Student: speed-up, 8 questions", total_times(8), 0.93, 0.97),
    Simulation("Student: speed-up, 12 questions", total_times(12), 0.93, 0.97),
    Simulation("Student: speed-up, 96 questions", total_times(96), 0.93, 0.97),
    Simulation("Student: quotient of two speed-ups, 8 questions", speed_ratio(8), 0.93, 0.97),
    Simulation("Student: quotient of two speed-ups, 96 questions", speed_ratio(96), 0.93, 0.97),
    Simulation("crossed: a share near one, 4 drafts, 60 questions", share_over_trainings, 0.94, 1),
    Simulation("crossed: 4 drafts on 2 targets, 96 questions", over_trainings(4, 2, 96, 0.1, 0.25), 0.94, 1),
    Simulation("crossed: 4 drafts that are alike, 96 questions", over_trainings(4, 2, 96, 0, 0.25), 0.94, 1),
    Simulation("crossed: 4 drafts, 48 questions unlike each other", over_trainings(4, 2, 48, 0.05, 0.3), 0.94, 1),
    Simulation("crossed: 5 trainings of one draft, 48 questions", over_trainings(5, 1, 48, 0.1, 0.2), 0.94, 1),
    Simulation("crossed: 2 trainings of one draft, 48 questions", over_trainings(2, 1, 48, 0.1, 0.2), 0.94, 1),
    Simulation("sign flips: size, 12 questions (all flips)", finds(12, 1.5, 1.5, 0.15), 0.03, 0.06),
    Simulation("sign flips: size, 40 questions (sampled)", finds(40, 1.5, 1.5, 0.15), 0.03, 0.06),
    Simulation("sign flips: power, 1.5 against 1.7, 40 questions", finds(40, 1.7, 1.5, 0.15), 0.9, 1),
    Simulation("betting: a loss of the risk, 200 problems, 10 % discordant", certifies(200, 0.1, 0.03), 0, 0.05),
    Simulation("betting: a loss of the risk, 2,000 problems, 10 % discordant", certifies(2000, 0.1, 0.03), 0, 0.05),
    Simulation("betting: power, no loss, 2,000 problems, 10 % discordant", certifies(2000, 0.1, 0), 0.95, 1),
)


def simulations() -> Iterator[Simulation]:
    """All: of what studies share, and those of studies."""
    yield from SHARED
    for path in files("test_coverage.py"):
        yield from import_module(f"dreamr.studies.{path.parent.name}.{path.stem}").SIMULATIONS


if __name__ == "__main__":
    for simulation in simulations():
        print(f"{simulation.rate(int(sys.argv[1])):6.1%}  {simulation.name}", flush=True)
