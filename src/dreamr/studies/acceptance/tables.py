"""Acceptance: how many of the draft's steps the target takes, in both readings."""

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import KEYS, alone, answered, batched, verifying
from dreamr.statistics.intervals import Quantity, mean, share
from dreamr.statistics.pooling import SIZES, tabulate

ACCEPTANCE: dict[str, Quantity] = {
    "acceptance": share("accepted", "verified"),
    "verified": mean("verified"),
    "accepted": mean("accepted"),
    "unread": mean("unread"),  # draft steps that were committed and nobody judged
    "unread_share": share("unread", "kept"),  # of the draft's committed steps
    "tokens": mean("tokens_by_target"),
}
# Work that may be thrown away is only done where latency counts, so it is read off the timed answers.
WORK: dict[str, Quantity] = {
    "acceptance_drafted": share("accepted", "drafted"),
    "drafted": mean("drafted"),
    "draft_tokens": mean("draft_tokens"),
    "target_tokens": mean("target_tokens"),
}


def acceptance(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Steps drafted, verified and accepted, or committed unread; both readings of acceptance, tokens per answer."""
    rows = verifying(rows.assign(kept=rows.accepted + rows.unread))
    work = tabulate(alone(rows), job, WORK).rename(columns={"n": "n_alone"}).drop(columns=SIZES[1:])
    return tabulate(answered(batched(rows)), job, ACCEPTANCE).merge(work, how="left", on=KEYS)
