"""Where verdicts err: by what a step claims and what it stands behind, and what the target writes instead."""

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import ALL, ALL_BENCHMARKS
from dreamr.statistics.intervals import Quantity, difference, mean, ratio
from dreamr.statistics.pooling import tabulate
from dreamr.studies.verification.step_verdicts import VERIFICATION

PREFIX = {True: "right so far", False: "behind a wrong step"}
IDLE = ("filler", "repeat")  # right by the oracle, since they claim nothing new
NEW = "all but fillers and repeats"
# Of the rejected steps.
REPLACED: dict[str, Quantity] = {
    "right": mean("right"),  # the draft's steps
    "own_right": mean("own_right"),  # the target's in their places
    "gain": difference(mean("own_right"), mean("right")),
    "mended": ratio("wrong_mended", "wrong"),  # of the wrong ones: a right one came instead
    "spoiled": ratio("right_spoiled", "right"),  # of the right ones: a wrong one came instead
}


def step_parts(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Error rates by whether all steps before are right, and there by the kind of claim; all benchmarks together.

    Behind a wrong step a claim that follows from it is wrong as well, though no new mistake: only what is right so far
    tells how well single steps are judged.
    """
    named = _by_prefix(steps)
    idle = named.claim.isin(IDLE)
    kinds = [named.assign(claim=ALL), named[~idle].assign(claim=NEW), named[idle | (named.prefix == PREFIX[True])]]
    return tabulate(pd.concat(kinds), job, VERIFICATION, [*ALL_BENCHMARKS, "prefix", "claim"])


def replacements(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """What the target wrote in the place of rejected steps, by whether all steps before are right; all benchmarks."""
    rejected = _by_prefix(steps[steps.accepted == 0])
    mended, spoiled = rejected.wrong * rejected.own_right, rejected.right * (1 - rejected.own_right)
    columns = {"wrong_mended": mended, "right_spoiled": spoiled}
    return tabulate(rejected.assign(**columns), job, REPLACED, [*ALL_BENCHMARKS, "prefix"])


def _by_prefix(steps: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([steps.assign(prefix=ALL), steps.assign(prefix=steps.clean.map(PREFIX))])
