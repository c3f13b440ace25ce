"""Methods that speculate on tokens or judge whole answers, beside those that judge steps, on the same questions.

A method is known by what its loop declares. On tokens: the text is the target's own. On answers: one verdict is about
the whole. On steps: the reference, and the same method with another draft that a baseline has.
"""

from collections.abc import Iterator, Mapping
from math import nan
from typing import Literal

import pandas as pd

from dreamr.config import NO_DRAFT, Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import IDENTICAL, on_the_same_questions, outcomes, with_texts
from dreamr.statistics.contrasts import Contrast, contrasted
from dreamr.statistics.frame import ALL, KEYS
from dreamr.statistics.intervals import Interval, Quantity, non_inferiority, ratio
from dreamr.statistics.pooling import tabulate

PAIR = ["target", "draft"]
Level = Literal["tokens", "answers", "steps"]
CHANGE = [f"accuracy_change{end}" for end in ("", "_low", "_high")]
TEXTS: dict[str, Quantity] = {"same_text": ratio("same", "compared")}


def baselines(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Accuracy, speed-up and what was accepted at each `level`, on the questions that all methods of a pair have.

    `acceptance` is the share of steps, or of whole answers, that the target accepted. `same_text` is the share of texts
    that are the target's own, as in `with_texts`. Where it is 1 and the loop is lossless, answers are `identical`, and
    there is no change to have an interval.
    """
    levels = _levels(job)
    here = _on_pairs(rows, levels)
    texts = tabulate(with_texts(here, job), job, TEXTS)[[*KEYS, "same_text"]]
    table = outcomes(here, job).merge(texts, how="left", on=KEYS)
    table = table[table.benchmark == ALL].reset_index(drop=True)
    settings = table.method.map({name: _setting(job.methods[name]) for name in levels})
    table = _with_standing(table, job).assign(level=table.method.map(levels), setting=settings)
    return table.sort_values([*PAIR, "speedup"], ascending=[True, True, False], ignore_index=True)


def _with_standing(table: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Adds whether a method is non-inferior; identical answers have no change, and none that has an interval."""
    lossless = [job.methods[name].declared.lossless for name in table.method]
    identical = pd.Series(lossless, index=table.index, dtype=bool) & (table.same_text == 1)
    table.loc[identical, CHANGE] = [0.0, nan, nan]
    found = [non_inferiority(Interval(*ends), job.statistics.margin) for ends in table[CHANGE].to_numpy()]
    return table.assign(non_inferior=pd.Series(found, index=table.index, dtype=str).where(~identical, IDENTICAL))


def baseline_contrasts(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The reference against each baseline, and where its draft is another one, the same method with that draft too.

    On the same questions, as in `baselines`. With one draft the interval is over questions; where a trained draft
    stands against another, over trainings as well, and one training has none. p is corrected by Holm over all in one
    kind of place. What takes no draft was timed on other questions, so its speed is contrasted with none.
    """
    levels = _levels(job)
    here = _on_pairs(rows, levels)
    beside = [name for name in levels if job.methods[name].needs_draft]
    table = contrasted(here[(here["mode"] != "alone") | here.method.isin(beside)], _contrasts(levels, job), job)
    told = [name for name in table if not name.startswith(("acceptance_change", "tokens_ratio"))]  # of unlike units
    return table[told].assign(level=table.other.map(levels))


def _levels(job: SummariseJob) -> dict[str, Level]:
    """What each method that takes part speculates on or judges; none where nothing stands beside the steps."""
    found: dict[str, Level] = {}
    for name, method in job.own.items():
        if method.declared.lossless:
            found[name] = "tokens"
        elif method.declared.judges == "answer":
            found[name] = "answers"
    if not any(job.methods[name].needs_draft for name in found):
        return {}
    return found | {name: "steps" for name in _of_steps(job, {job.methods[name].draft for name in found}).values()}


def _of_steps(job: SummariseJob, drafts: set[str]) -> dict[str, str]:
    """By draft, the reference and the methods that are the same with these."""
    base = job.methods[job.reference]
    by_settings = {method: name for name, method in job.own.items()}
    changed = {draft: by_settings.get(base.model_copy(update={"draft": draft})) for draft in sorted(drafts)}
    return {base.draft: job.reference} | {draft: name for draft, name in changed.items() if name}


def _contrasts(levels: Mapping[str, Level], job: SummariseJob) -> Iterator[Contrast]:
    of_steps = _of_steps(job, {job.methods[name].draft for name in levels})
    for name in (name for name, level in levels.items() if level != "steps"):
        for method in dict.fromkeys([job.reference, of_steps.get(job.methods[name].draft, job.reference)]):
            yield Contrast(method, name, "unit")


def _on_pairs(rows: pd.DataFrame, levels: Mapping[str, Level]) -> pd.DataFrame:
    """Their rows, on the questions that all of a pair have; what takes no draft stands on each pair of its target.

    Of pairs that have more than steps and what takes no draft. A job draws the questions that it times, and what takes
    no draft is a job of its own: those times are of other questions, each beside the target all the same.
    """
    rows = rows[rows.method.isin(levels)]
    drafted, alone = rows[rows.draft != NO_DRAFT], rows[rows.draft == NO_DRAFT]
    pairs = drafted.loc[drafted.method.map(levels) != "steps", ["target", "draft"]].drop_duplicates()
    drafted, alone = (
        part.merge(pairs, on=on) for part, on in ((drafted, PAIR), (alone.drop(columns="draft"), "target"))
    )
    timed = alone["mode"] == "alone"
    return pd.concat([on_the_same_questions(pd.concat([drafted, alone[~timed]])), alone[timed]], ignore_index=True)


def _setting(method: Method) -> str:
    """What its loop is set to, in words."""
    if tokens := method.proposed_tokens or method.ngram_tokens:
        return f"k {tokens}"
    return f"alpha {method.alpha:g}" if isinstance(method.alpha, float) else ""
