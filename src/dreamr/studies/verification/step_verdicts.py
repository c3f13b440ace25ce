"""CPN under the lens: the target's verdicts against the micro world's step oracle."""

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import KEYS
from dreamr.statistics.intervals import Quantity, share
from dreamr.statistics.pooling import tabulate
from dreamr.statistics.step_frame import with_outcomes
from dreamr.studies.verification.separation import areas

VERIFICATION: dict[str, Quantity] = {
    "right": share("right"),  # of the draft's verified steps
    "accepted": share("accepted"),
    "false_accept": share("wrong_accepted", "wrong"),  # of the wrong steps
    "false_reject": share("right_rejected", "right"),  # of the right steps
    "right_if_accepted": share("right_accepted", "accepted"),
}


def verification(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Error rates of the verdicts, and the areas under their ROC curves, per method with a verifier."""
    return tabulate(steps, job, VERIFICATION).merge(areas(steps, job), how="left", on=KEYS)


def unread(unread: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """How many of the draft steps that nobody judged are wrong: of all, and of those with no wrong one before them."""
    if unread.empty:
        return pd.DataFrame(columns=[*KEYS, "n"])
    return tabulate(unread, job, {"wrong": share("wrong"), "wrong_clean": share("wrong_clean", "clean")})


def thresholds(steps: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Error rates that the same verdicts would have at every CPN threshold of the configuration, as column `alpha`.

    The steps are those that were verified at the method's own threshold; another one would have led to other steps.
    """
    cpn = {name: method for name, method in job.methods.items() if method.verifier == "cpn"}
    alphas = {method.alpha for method in cpn.values() if method.alpha and not method.guarantee}
    own = steps[steps.method.isin(cpn)]
    if own.empty:
        return pd.DataFrame(columns=[*KEYS, "alpha"])
    parts = [
        with_outcomes(own.assign(accepted=(own.verdict > alpha).astype(float), alpha=f"{alpha:g}"))
        for alpha in sorted(alphas)
    ]
    return tabulate(pd.concat(parts), job, VERIFICATION, [*KEYS, "alpha"])
