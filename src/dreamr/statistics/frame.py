"""Scores as one frame, and how any of its quantities becomes a table with intervals.

A table has key columns (`all` in one of them is a pool over it), then `n` rows, `clusters`, what intervals are `over`,
`trainings` of drafts that took part, and for each quantity X the columns `X`, `X_low`, `X_high`; an empty cell is
unknown. Each pair weighs alike in a number, in a pair each training, in a training each benchmark, there each question.

Rows of mode "batched" (all questions) carry accuracy, acceptance and tokens; rows of mode "alone" (one question at a
time on a quiet machine) carry time, and those of mode "load" time under load. A question that an engine refused counts
as wrong, and in nothing else: what there is of its answer is no answer's length or time.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dreamr.config import NO_DRAFT, PLAIN
from dreamr.errors import UserError
from dreamr.files import write_atomically
from dreamr.planning.jobs import SummariseJob
from dreamr.records import read_rows
from dreamr.scores import Score
from dreamr.statistics.intervals import LOGARITHM, Array, Bootstrap, Interval, Quantity, cluster_sums, scale_of
from dreamr.statistics.names import AUDITED
from dreamr.statistics.paired import ONE_TRAINING, QUESTIONS, TRAININGS, Crossed, student
from dreamr.statistics.shares import Exact

ALL = "all"
KEYS = ["target", "draft", "method", "benchmark"]
TRAINING = ["target", "draft", "method", "replicate", "mode", "at_once"]
CELL = [*TRAINING, "item"]
ALL_BENCHMARKS = ["target", "draft", "method"]
BASELINE = "target_only"
SIZES = ["n", "clusters", "over", "trainings"]
NO_QUANTITIES = {"cluster", "replicate", "weight"}  # numbers that nothing sums
Key = dict[str, str]
Sums = dict[str, Array]  # per column one sum a cluster

IDS = dict.fromkeys(("question", "cluster", "training_question"), str)  # "007" is not 7
NO_AUDIT = {name: pd.DataFrame(columns=columns) for name, columns in AUDITED.items()}


def read_table(path: Path) -> pd.DataFrame:
    """A table as written by cli.summarise; only an empty cell is unknown, never a word such as "none"."""
    if not path.is_file():
        raise UserError(f"{path}: no such table; dreamr summarise, verify and audit write them")
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=IDS)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table in one atomic move."""
    write_atomically(path, table.to_csv(index=False, float_format="%.6g"))


def load_scores(paths: Iterable[Path], overlaps: pd.DataFrame = NO_AUDIT["overlaps"]) -> pd.DataFrame:
    """The score frame of several files."""
    return score_frame((row for path in paths for row in read_rows(path, Score)), overlaps)


def score_frame(scores: Iterable[Score], overlaps: pd.DataFrame = NO_AUDIT["overlaps"]) -> pd.DataFrame:
    """All scores as one frame, with numeric columns only where sums make sense.

    `overlaps` is the contamination audit; one version of a problem in a training set taints all of its versions.
    """
    rows = pd.DataFrame([score.model_dump() for score in scores])
    if rows.empty:
        raise UserError("no scores: the files given hold no row")
    tainted = set(zip(overlaps.benchmark, overlaps.cluster, strict=True))
    rows["overlaps"] = [float(one in tainted) for one in zip(rows.benchmark, rows.cluster, strict=True)]
    rows["item"] = rows.benchmark + "/" + rows.question
    rows["at_once"] = [load["at_once"] if load else 0 for load in rows.load]
    rows["cluster"] = pd.factorize(rows.benchmark + "/" + rows.cluster, sort=True)[0]
    twice = rows[rows.duplicated(CELL)]
    if len(twice):
        raise UserError(f"scored twice: {twice.iloc[0][CELL].to_dict()}; each cell may answer a question once")
    rows["n"] = 1.0
    rows["refused"] = rows.refusal.notna()
    # The target's fit is told first.
    rows["prompt_tokens"] = pd.Series([fits[0]["tokens"] if fits else nan for fits in rows.fits], dtype=float)
    for column in ("correct", "unresolved", "truncated", "refused", "same_text", "baseline_seconds"):
        rows[column] = rows[column].astype(float)
    rows = _beside_target(rows)
    return rows.assign(untimed=_untimed(rows), weight=weights(rows))


def weights(rows: pd.DataFrame) -> "pd.Series[float]":
    """What an answer weighs: 1 for each pair and method, shared alike by its trainings, their benchmarks, questions."""
    questions = rows.groupby([*TRAINING, "benchmark"]).benchmark.transform("size")
    benchmarks = rows.groupby(TRAINING).benchmark.transform("nunique")
    trainings = rows.groupby([name for name in TRAINING if name != "replicate"]).replicate.transform("nunique")
    return 1 / (questions * benchmarks * trainings)


def _beside_target(rows: pd.DataFrame) -> pd.DataFrame:
    """Add what the target by itself did with the same question; NaN where it was not run."""
    alone = rows[rows.method == BASELINE]
    names = {name: f"target_{name}" for name in ("correct", "truncated", "refused", "steps", "own_tokens")}
    names |= {"tokens_by_target": "target_tokens_alone"}
    alone = alone[alone["mode"] == "batched"][["target", "item", *names]].rename(columns=names)
    return rows.merge(alone, how="left", on=["target", "item"], validate="many_to_one")


def _untimed(rows: pd.DataFrame) -> "pd.Series[float]":
    """Timed rows of a question that was refused to some method of the same target and draft, or to the target.

    All of them are left out, so that the methods of a draft are timed on the same questions.
    """
    lacking = (rows.refused == 1) | (rows.target_refused == 1) | rows.baseline_seconds.isna()
    lacking &= rows["mode"] == "alone"
    return lacking.groupby([rows.target, rows.draft, rows["mode"], rows.item]).transform("any").astype(float)


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
    """Rows that may be pooled: the main experiment's, of methods that ran on all of its pairs or targets."""
    rows = rows[of_pairs(rows, job)]
    with_draft, without = set(job.pairs), {(target, NO_DRAFT) for target, _ in job.pairs}
    ran = {method: set(zip(part.target, part.draft, strict=True)) for method, part in rows.groupby("method")}
    return rows[rows.method.isin([method for method, cells in ran.items() if cells in (with_draft, without)])]


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


def first_training(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the usual training of each recipe, and of methods that no training moves."""
    return rows[rows.replicate == 0]


def batched(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of questions answered many at once."""
    return rows[rows["mode"] == "batched"]


def answered(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of questions that no engine refused; in a comparison, on neither side."""
    sides = [name for name in ("refused", "refused_other") if name in rows]
    return rows[(rows[sides] == 0).all(axis=1)]


def verifying(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of methods in which the target judges steps."""
    return rows[rows.verified.groupby(rows.method).transform("sum") > 0]


def fell_back(rows: pd.DataFrame, job: SummariseJob) -> "pd.Series[bool]":
    """Which rows are the target's alone in the name of a method of which no threshold is certified on their pair."""
    calibrated = [name for name, method in job.methods.items() if method.guarantee]
    return rows.method.isin(calibrated) & (rows.drafted == 0)


def alone(rows: pd.DataFrame) -> pd.DataFrame:
    """Timed rows, in a comparison on both sides."""
    sides = [name for name in ("untimed", "untimed_other") if name in rows]
    return on_one_device(rows[(rows["mode"] == "alone") & (rows[sides] == 0).all(axis=1)])


def on_one_device(timed: pd.DataFrame) -> pd.DataFrame:
    """The rows; times of different devices are refused, never averaged."""
    if timed.device.nunique() > 1:
        raise UserError(f"times from different devices cannot be compared: {', '.join(sorted(set(timed.device)))}")
    return timed
