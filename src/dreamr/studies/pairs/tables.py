"""What decides how much a pair can gain: the costs of draft and verdict, the lengths of steps and prompts, acceptance.

Costs come from the timed answers of methods that do one thing at a time, so that no crowding is in them, and from their
steps behind the first, which reads the question as well.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dreamr.config import NO_DRAFT
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, BASELINE, alone, answered, batched
from dreamr.statistics.intervals import Quantity, quotient, ratio
from dreamr.statistics.pooling import tabulate
from dreamr.statistics.published import Published, load_published

TARGET_STEP = ratio("target_seconds", "target_steps")
PAIRS: dict[str, Quantity] = {
    "c": quotient(ratio("draft_seconds", "draft_steps"), TARGET_STEP),
    "v": quotient(ratio("verdict_seconds", "verdicts"), TARGET_STEP),
    "target_step_seconds": TARGET_STEP,
    "draft_step_seconds": ratio("draft_seconds", "draft_steps"),
    "verdict_seconds": ratio("verdict_seconds", "verdicts"),
    "tokens_per_step": ratio("tokens", "steps"),
    "tokens_per_prompt": ratio("prompt_tokens", "prompts"),
    "acceptance": ratio("accepted", "verified"),
}
PLACE = ["target", "draft", "replicate", "benchmark", "item", "cluster", "weight"]
# Columns of each part by those of the score frame that they sum.
DRAFTING = {"draft_steps": "later_drafts", "draft_seconds": "later_drafts_seconds"}
JUDGING = {"verdicts": "later_verdicts", "verdict_seconds": "later_verdicts_seconds", "n": "n"}
ALONE = {"target_steps": "later_owns", "target_seconds": "later_owns_seconds"}
ASKED = {"steps": "steps", "tokens": "tokens_by_target", "prompts": "n", "prompt_tokens": "prompt_tokens"}
ACCEPTED = {"accepted": "accepted", "verified": "verified"}
NOT_NAMED = "our sources of the paper do not name it"
NONE = dict.fromkeys([*DRAFTING, *JUDGING, *ALONE, *ASKED, *ACCEPTED], 0.0)


def pairs(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Each pair in numbers; `n` counts the answers whose verdicts were timed.

    `c` is the time per step of the reference's draft over the target's, `v` that of a verdict over a target's step;
    steps and prompts are the target's own, acceptance is the reference's.
    """
    recipe, timed, asked = job.methods[job.reference].draft, alone(rows), answered(batched(rows))
    drafting = [name for name, one in job.own.items() if not one.needs_target and one.draft == recipe]
    judging = [name for name, one in job.own.items() if one.declared.sequential and one.asks_about_a_step]
    known = rows.loc[rows.draft != NO_DRAFT, ["target", "draft"]].drop_duplicates()
    parts = [
        _part(timed[timed.method.isin(drafting)], DRAFTING),
        _part(_shared(timed[timed.method.isin(judging)]), JUDGING),
        _part(asked[asked.method == job.reference], ACCEPTED),
        _part(_of_each(timed[timed.method == BASELINE], known), ALONE),
        _part(_of_each(asked[asked.method == BASELINE], known), ASKED),
    ]
    rows = pd.concat(parts, ignore_index=True).assign(method=job.reference, recipe=False)  # of the models as they are
    return tabulate(rows, job, PAIRS)


def _part(rows: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Some of the rows' columns under other names; nothing of the other parts."""
    return rows[PLACE].assign(**NONE | {name: rows[column].astype(float) for name, column in columns.items()})


def _shared(rows: pd.DataFrame) -> pd.DataFrame:
    """The weight of a pair shared by the methods that it has: some pairs have more of them than others."""
    return rows.assign(weight=rows.weight / rows.groupby(["target", "draft"]).method.transform("nunique"))


def _of_each(rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The target's own rows once for each draft that it goes with."""
    return rows.drop(columns="draft").merge(known, on="target")


def regime(written: Mapping[str, pd.DataFrame], published: Path) -> pd.DataFrame:
    """The paper's sizes beside those of this run, all pairs and benchmarks together."""
    pairs = written["pairs"]
    pool = pairs[(pairs.target == ALL) & (pairs.draft == ALL) & (pairs.benchmark == ALL)]
    return pd.DataFrame(_beside(pool, load_published(published)))


def _beside(pool: pd.DataFrame, numbers: Published) -> Iterator[dict[str, Any]]:
    for one in numbers.regime:
        ends = {end: f"{one.quantity}{end}" for end in ("", "_low", "_high")}
        here = {f"here{end}": pool[name].squeeze() if len(pool) else None for end, name in ends.items()}
        told = {"published": one.value, "source": one.source or NOT_NAMED, "remark": one.remark}
        yield {"quantity": one.quantity, "text": one.text, **here, **told}
