"""What SAPO's training does to a draft."""

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import compare, trained_twins


def sapo(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The trained draft against the plain one, same target and loop, on the usual training of each pair."""
    twins = trained_twins(job.methods, job.reference)
    plain = rows[rows.method.isin(twins.values())]
    plain = plain.assign(method=plain.method.map({old: new for new, old in twins.items()}))
    return compare(rows[rows.method.isin(twins)], plain, job, "plain")
