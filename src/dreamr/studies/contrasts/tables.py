"""Contrasts: two methods on the same questions of the same pairs, how far they are apart, and a test of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ablations, on_the_same_questions, trained_twins
from dreamr.statistics.contrasts import DISTANCES, Contrast, contrasted, distances, narrow, paired
from dreamr.statistics.frame import ALL, BASELINE
from dreamr.statistics.interventions import intervened

# Contrasts between methods that are no ablation of each other. Those of ablations and of SAPO follow from the methods,
# and so do those of main methods that are not named here.
BETWEEN = (
    Contrast("dreamr", BASELINE, "headline"),
    Contrast("dreamr", "specreason", "headline"),
    Contrast("dreamr", "lookahead", "headline"),
    Contrast("specreason", "lookahead", "headline"),
    Contrast("specreason", BASELINE, "headline"),
    Contrast("specreason", "dreamr_ns", "verifier"),  # same draft; what FPSR writes does not depend on its schedule
    Contrast("lookahead", "dreamr_ns", "schedule"),  # same draft
    Contrast("schedule_sequential", "schedule_pipelined", "schedule"),
    Contrast("lookahead_published", "lookahead", "schedule"),
    Contrast("lookahead_continues", "lookahead", "schedule"),
)
TRAINED = ["target", "draft", "replicate"]


def contrasts(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """One row per contrast and place, with each distance, its interval, p, and p corrected by Holm over the family.

    As `statistics.contrasts.contrasted` explains it.
    """
    return contrasted(rows, _contrasts(job), job)


def trainings(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """What each single training would say of its recipe: distances of contrasts of SAPO and of rewards, all benchmarks.

    Of the questions that all trainings of a pair answered. No number here has an interval, since one training says
    nothing of the next.
    """
    lines = []
    recipes = (one for one in _contrasts(job) if one.differs in ("training", "rewards"))
    for contrast in recipes:
        for key, part in on_the_same_questions(paired(narrow(rows), contrast, job), by="replicate").groupby(TRAINED):
            found = {name: interval.value for name, (interval, _) in distances(part, job).items()}
            lines.append({**contrast._asdict(), **dict(zip(TRAINED, key, strict=True)), "benchmark": ALL, **found})
    columns = [*Contrast._fields, *TRAINED, "benchmark", *DISTANCES]
    return pd.DataFrame(lines, columns=columns)


def recipes(written: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What the first training of each recipe would say by itself, beside the mean of its further ones on that pair.

    `X_first` and `X_further` of each distance, `X_sd` between all trainings, what questions add to it included.
    """
    groups = written["trainings"].groupby([*Contrast._fields, "target", "draft"], sort=False)
    lines = [dict(zip([*Contrast._fields, "target", "draft"], key, strict=True)) | _first(part) for key, part in groups]
    cells = [f"{name}_{what}" for name in DISTANCES for what in ("first", "further", "sd")]
    columns = [*Contrast._fields, "target", "draft", "benchmark", "trainings", *cells]
    return pd.DataFrame([line for line in lines if line["trainings"] > 1], columns=columns)


def _first(part: pd.DataFrame) -> dict[str, Any]:
    part = part.sort_values("replicate")
    cells = {"benchmark": ALL, "trainings": len(part)}
    for name in DISTANCES:
        first, further = part[name].iloc[0], part[name].iloc[1:]
        cells |= {f"{name}_first": first, f"{name}_further": further.mean(), f"{name}_sd": part[name].std()}
    return cells


def _contrasts(job: SummariseJob) -> Iterator[Contrast]:
    """Those of methods that are configured."""
    yield from (contrast for contrast in BETWEEN if {contrast.method, contrast.other} <= {*job.methods})
    twins = trained_twins(job.own, job.reference)
    ablated = [Contrast(row.method, job.reference, row.kind) for row in ablations(job).itertuples()]
    named = {name for contrast in BETWEEN for name in (contrast.method, contrast.other)}
    for method in (name for name in job.compared if name not in named):
        yield Contrast(method, BASELINE, "headline")
        if method not in {contrast.method for contrast in ablated}:
            yield Contrast(method, job.reference, "headline")
    yield from (Contrast(method, plain, "training") for method, plain in twins.items())
    yield from ablated
    yield from (Contrast(change.method, change.without, "intervention") for change in intervened(job.own))
