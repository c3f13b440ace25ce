"""What SAPO's training does to a draft."""

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import compare, opposite, trained_twins


def sapo(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """The trained draft against the plain one, same target and loop, over all trainings."""
    twins = trained_twins(job.own, job.reference)
    return compare(rows[rows.method.isin(twins)], opposite(rows, twins), job, "plain")
