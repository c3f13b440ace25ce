"""Ablations: methods that differ from the reference in the settings of one kind."""

from math import nan

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ablations, compare, opposite, setting
from dreamr.statistics.frame import CELL


def ablation(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Each ablated method that ran against the reference on the same pair and questions; the reference beside them."""
    members = ablations(job)
    kinds = members[members.method.isin(rows.method)].groupby("kind", sort=False)
    parts = [_kind(rows, kind, part, job) for kind, part in kinds]
    empty = compare(rows.iloc[:0], opposite(rows, {}), job, "reference").assign(kind="", setting="")
    table = pd.concat([empty.iloc[:0], *parts], ignore_index=True)
    return table[["kind", "setting", *[name for name in table if name not in ("kind", "setting")]]]


def _kind(rows: pd.DataFrame, kind: str, members: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The methods of one kind, and the reference on their questions and trainings."""
    settings = dict(zip(members.method, members.setting, strict=True)) | {
        job.reference: setting(kind, job.methods[job.reference])
    }
    asked = rows[rows.method.isin(members.method)]
    same = asked[[name for name in CELL if name != "method"]].drop_duplicates()
    reference = rows[rows.method == job.reference].merge(same)
    ran = pd.concat([asked, reference])
    table = compare(ran, opposite(reference, dict.fromkeys(ran.method.unique(), job.reference)), job, "reference")
    table.loc[table.method == job.reference, [name for name in table if name.endswith("_change")]] = nan
    return table.assign(kind=kind, setting=table.method.map(settings))
