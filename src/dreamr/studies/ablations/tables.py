"""Ablations: methods that differ from the reference in the settings of one kind."""

from math import nan

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ablations, compare, setting


def ablation(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Each ablated method that ran against the reference on the same pair and questions; the reference beside them."""
    members = ablations(job)
    members = members[members.method.isin(rows.method)]
    where = rows[rows.method.isin(members.method)]
    reference = rows[rows.method == job.reference].merge(where[["target", "draft", "mode", "item"]].drop_duplicates())
    ran = pd.concat([where, reference])
    others = [reference.assign(method=name) for name in ran.method.unique()]
    table = compare(ran, pd.concat([reference.iloc[:0], *others]), job, "reference")
    own = [(kind, setting(kind, job.methods[job.reference]), job.reference) for kind in members.kind.unique()]
    table = pd.concat([members, pd.DataFrame(own, columns=members.columns)]).merge(table, on="method")
    table.loc[table.method == job.reference, [name for name in table if name.endswith("_change")]] = nan
    return table[["kind", "setting", *[name for name in table if name not in ("kind", "setting")]]]
