"""How many devices the engines of an answer hold."""

import pandas as pd

from dreamr.config import NO_DRAFT
from dreamr.planning.jobs import SummariseJob


def devices(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """By row: those of the target alone, and those that the method holds of its `target` and of its `draft`.

    An engine on several threads of a CPU holds as many. A device that is reserved and idles is held.
    """
    alone, draft = (names.map({**job.devices, NO_DRAFT: 0}).astype(float) for names in (rows.target, rows.draft))
    threads = {name: method.needs_target * (method.threads or 1) for name, method in job.methods.items()}
    return pd.DataFrame({"alone": alone, "target": alone * rows.method.map(threads).astype(float), "draft": draft})
