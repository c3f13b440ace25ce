"""Scores as one frame: what an answer weighs, and which answers have a quantity.

Each pair weighs alike in a number, in a pair each training, in a training each benchmark, there each question.

Rows of mode "batched" (all questions) carry accuracy, acceptance and tokens; rows of mode "alone" (one question at a
time on a quiet machine) carry time, and those of mode "load" time under load. A question that an engine refused counts
as wrong, and in nothing else: what there is of its answer is no answer's length or time.
"""

from collections.abc import Iterable
from math import nan
from pathlib import Path

import pandas as pd

from dreamr.errors import UserError
from dreamr.files import write_atomically
from dreamr.planning.jobs import SummariseJob
from dreamr.records import read_rows
from dreamr.scores import Score
from dreamr.statistics.names import AUDITED

ALL = "all"
KEYS = ["target", "draft", "method", "benchmark"]
TRAINING = ["target", "draft", "method", "replicate", "mode", "at_once"]
CELL = [*TRAINING, "item"]
ALL_BENCHMARKS = ["target", "draft", "method"]
BASELINE = "target_only"

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
