"""How any quantity of the score frame becomes a table with intervals: single cells, and pools over drafts and pairs.

A table has key columns (`all` in one of them is a pool over it), then `n` rows, `clusters`, what intervals are `over`,
`trainings` of drafts that took part, and for each quantity X the columns `X`, `X_low`, `X_high`; an empty cell is
unknown.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isnan, nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dreamr.config import NO_DRAFT, PLAIN
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, KEYS
from dreamr.statistics.intervals import (
    LOGARITHM,
    Array,
    Bootstrap,
    Interval,
    Quantity,
    cluster_sums,
    p_of_interval,
    scale_of,
)
from dreamr.statistics.paired import ONE_TRAINING, QUESTIONS, TRAININGS, Crossed, student
from dreamr.statistics.shares import Exact

SIZES = ["n", "clusters", "over", "trainings"]
NO_QUANTITIES = {"cluster", "replicate", "weight"}  # numbers that nothing sums
Key = dict[str, str]
Sums = dict[str, Array]  # per column one sum a cluster


@dataclass(frozen=True)
class Group:
    """The answers behind a row of a table, an entry each in every array."""

    columns: Mapping[str, Array]
    weights: Array
    clusters: Array
    trainings: Array  # numbers of trained drafts; -1 of others
    replicates: Array
    # Plain ones where a row speaks of their recipe, of which trainings are a sample; else "".
    drafts: NDArray[np.object_]

    def at(self, place: Array) -> "Group":
        """Some of the answers."""
        columns = {name: column[place] for name, column in self.columns.items()}
        others = (self.weights, self.clusters, self.trainings, self.replicates, self.drafts)
        return Group(columns, *(one[place] for one in others))

    @cached_property
    def weighted(self) -> dict[str, Array]:
        """The columns, each answer times its weight."""
        return {name: column * self.weights for name, column in self.columns.items()}

    @cached_property
    def sums(self) -> Sums:
        """Those of each cluster."""
        return cluster_sums(self.weighted, self.clusters)

    @property
    def over(self) -> str:
        """What intervals are over."""
        if "" in self.drafts:
            return QUESTIONS
        return TRAININGS if self.crossed else ONE_TRAINING

    @cached_property
    def crossed(self) -> Crossed | None:
        """Questions with units of trainings, where there are several: plain drafts, of one its replicates."""
        units = self.drafts if len({*self.drafts}) > 1 else self.replicates
        known = "" not in self.drafts and len({*units}) > 1
        return Crossed(self.weighted, self.clusters, units) if known else None

    def count(self, column: str) -> float:
        """How many answers have it, whatever they weigh."""
        return float(self.columns[column].sum())

    @property
    def size(self) -> dict[str, Any]:
        """What a table says of its rows."""
        trainings = len({*self.trainings} - {-1})
        return {"n": int(self.count("n")), "clusters": len({*self.clusters}), "over": self.over, "trainings": trainings}

    def intervals(
        self, quantities: Mapping[str, Quantity], bootstrap: Bootstrap, exact: Mapping[str, Exact] = {}
    ) -> dict[str, Interval]:
        """Each quantity with its interval: over trainings too, else over questions.

        A quotient has Student's interval there: the bootstrap's covers too little with a dozen timed questions. What
        has `exact` limits takes these there if too few clusters differ.
        """
        if self.crossed:
            return {name: self.crossed.interval(one, bootstrap.confidence) for name, one in quantities.items()}
        quotients = {name: one for name, one in quantities.items() if scale_of(one) is LOGARITHM}
        found = {name: student(self.sums, one, bootstrap.confidence) for name, one in quotients.items()}
        rest = {name: one for name, one in quantities.items() if name not in quotients}
        found |= bootstrap.intervals(self.sums, rest) if rest else {}
        empty = [name for name in exact.keys() & found.keys() if isnan(found[name].low)]
        known = [name for name in empty if not isnan(found[name].value)]
        found |= {name: exact[name](self.sums, bootstrap.confidence) for name in known}
        return {name: found[name] for name in quantities}


def pools(rows: pd.DataFrame, job: SummariseJob, keys: list[str] = KEYS) -> Iterator[tuple[Key, Group]]:
    """Each single cell, then the pools: over drafts, over pairs, each per benchmark and over all.

    Where the benchmark is no key, there is nothing by benchmark. A cell speaks of the drafts that it has, a pool over
    drafts of their recipe. A column `recipe` says of a comparison whether it speaks of one.
    """
    whole = {} if "benchmark" in keys else {"benchmark": ALL}
    rows = with_models(rows)
    pooled, rows = complete(rows, job), rows.assign(recipe=rows.get("recipe", default=False))
    for view in (rows, pooled.assign(draft=ALL), pooled.assign(target=ALL, draft=ALL)):
        answers = gathered(view, job)
        parts = (view[keys],) if whole else (view[keys], view[keys].assign(benchmark=ALL))
        for part in parts:
            for key, place in part.groupby(keys, sort=True).indices.items():
                yield dict(zip(keys, key, strict=True)) | whole, answers.at(place)


def with_models(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds which models answered, for rows whose keys will name a pool."""
    return rows.assign(plain=rows.draft, judge=rows.target)


def gathered(rows: pd.DataFrame, job: SummariseJob) -> Group:
    """All answers of rows together, with their models; `recipe` says whether they speak of a draft's recipe."""
    names = [name for name, kind in rows.dtypes.items() if kind.kind in "if" and name not in NO_QUANTITIES]
    columns = dict(zip(names, rows[names].to_numpy(dtype=float).T, strict=True))
    of_training = rows.method.isin(trained(job))
    recipe = rows.get("recipe", default=of_training)
    training = np.where(of_training | recipe, rows.groupby(["judge", "plain", "replicate"]).ngroup(), -1)
    drafts = rows.plain.where(recipe, "")
    weight, cluster, replicate = (rows[name].to_numpy() for name in ("weight", "cluster", "replicate"))
    return Group(columns, weight, cluster, training, replicate, drafts.to_numpy())


def trained(job: SummariseJob) -> Collection[str]:
    """Methods whose draft a recipe of SAPO trained."""
    return [name for name, method in job.methods.items() if method.needs_draft and method.draft != PLAIN]


def complete(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Rows that may be pooled: the main experiment's, of methods that ran on all of its pairs or targets.

    In each mode by itself: a method that answered on all pairs and was timed on one has no pool of times.
    """
    rows = rows[of_pairs(rows, job)]
    whole = (set(job.pairs), {(target, NO_DRAFT) for target, _ in job.pairs})
    kinds = [name for name in ("method", "mode") if name in rows]
    return rows.groupby(kinds).filter(lambda part: set(zip(part.target, part.draft, strict=True)) in whole)


def of_pairs(rows: pd.DataFrame, job: SummariseJob) -> "pd.Series[bool]":
    """Which rows are of the main experiment: of a pair, or of a pair's target without a draft; others are controls."""
    cells = {*job.pairs, *((target, NO_DRAFT) for target, _ in job.pairs)}
    return pd.Series(
        [cell in cells for cell in zip(rows.target, rows.draft, strict=True)], index=rows.index, dtype=bool
    )


def tabulate(
    rows: pd.DataFrame,
    job: SummariseJob,
    quantities: Mapping[str, Quantity],
    keys: list[str] = KEYS,
    exact: Mapping[str, Exact] = {},
) -> pd.DataFrame:
    """One table row per group of `rows` with every quantity and its interval."""
    bootstrap = sampling(job)
    lines = [key | estimated(answers, bootstrap, quantities, exact) for key, answers in pools(rows, job, keys)]
    empty = dict.fromkeys(quantities, Interval(nan))
    return pd.DataFrame(lines, columns=[*dict.fromkeys([*keys, "benchmark"]), *SIZES, *as_cells(empty)])


def without_one_training(table: pd.DataFrame, suffix: str = "") -> pd.DataFrame:
    """The table without intervals of one training, which says nothing of the next; of quantities with this `suffix`."""
    ends = [name for name in table if name.endswith((f"{suffix}_low", f"{suffix}_high"))]
    table.loc[table.over == ONE_TRAINING, ends] = nan
    return table


def p_against(quantity: Quantity, bound: float, interval: Interval, answers: Group | None, confidence: float) -> float:
    """Two-sided p that a quantity is `bound`, which agrees with its interval.

    Over trainings too (`answers`), by the degrees of freedom that these leave; else as if the interval were a normal
    one.
    """
    if answers is None or answers.crossed is None:
        return p_of_interval(interval, bound, confidence)
    return answers.crossed.p(lambda sums: quantity(sums) - bound)


def sampling(job: SummariseJob) -> Bootstrap:
    """The bootstrap that the configuration asks for."""
    return Bootstrap(job.statistics.resamples, job.statistics.confidence, job.statistics.seed)


def estimated(
    answers: Group, bootstrap: Bootstrap, quantities: Mapping[str, Quantity], exact: Mapping[str, Exact] = {}
) -> dict[str, Any]:
    """Size and quantities of one group, each with its interval."""
    return answers.size | as_cells(answers.intervals(quantities, bootstrap, exact))


def as_cells(intervals: Mapping[str, Interval]) -> dict[str, float]:
    """X, X_low, X_high of each quantity."""
    cells: dict[str, float] = {}
    for name, interval in intervals.items():
        cells |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return cells
