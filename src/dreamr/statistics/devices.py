"""How many devices the engines of an answer hold."""

import pandas as pd

from dreamr.config import NO_DRAFT
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import fell_back


def devices(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """By row: those of the target alone, and those that the method holds of its `target` and of its `draft`.

    An engine on several threads of a CPU holds as many. A device that is reserved and idles is held. What fell back to
    the target alone holds no draft.
    """
    alone, draft = (names.map({**job.devices, NO_DRAFT: 0}).astype(float) for names in (rows.target, rows.draft))
    draft = draft.where(~fell_back(rows, job), 0.0)
    threads = {name: method.needs_target * (method.threads or 1) for name, method in job.methods.items()}
    return pd.DataFrame({"alone": alone, "target": alone * rows.method.map(threads).astype(float), "draft": draft})
