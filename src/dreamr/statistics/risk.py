"""Whether a mean loss is below a risk, by a test that bets on it (Waudby-Smith and Ramdas 2024).

Someone bets against "the mean loss is the risk or more", problem by problem, with what is left of a capital of 1. The
stake is chosen before the loss is seen, so if the statement is true the capital is expected not to grow, and it ever
reaches 1 / p with a probability of p at most (Ville 1939). So the test holds for any losses within bounds, without an
approximation, and may stop as soon as it has decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

STAKE = 0.5  # largest share of the capital that a single loss of 1 may take (c of the paper)
VARIANCE = 1.0  # of losses between -1 and 1, at most: what is assumed of them before any is seen
Array = NDArray[np.float64]
Decision = Literal["certified", "not certified", "open"]


@dataclass(frozen=True)
class RiskTest:
    """What the losses of one candidate say."""

    problems: int  # until it was decided
    loss: float  # their mean
    p: float  # of a mean loss that is the risk or more
    decision: Decision  # "open": losses are still to come


def risk_test(losses: Sequence[float], risk: float, level: float, planned: int) -> RiskTest:
    """The test of as many losses as are there, `planned` of them at most, each between -1 and 1, in a fixed order.

    It ends at the first loss at which p is `level` or less. ValueError for a loss outside of its bounds.
    """
    seen = np.asarray(losses[:planned], dtype=float)
    if not (np.abs(seen) <= 1).all():
        raise ValueError(f"losses lie between -1 and 1, found {seen[~(np.abs(seen) <= 1)][0]}")
    reached = np.flatnonzero(capital(seen, risk, level, planned) >= 1 / level)
    if len(reached):
        seen = seen[: reached[0] + 1]
    decision: Decision = "certified" if len(reached) else "open" if len(seen) < planned else "not certified"
    most = max([1.0, *capital(seen, risk, level, planned).tolist()])
    return RiskTest(len(seen), float(seen.mean()) if len(seen) else 0.0, 1 / most, decision)


def capital(losses: Array, risk: float, level: float, planned: int) -> Array:
    """What a capital of 1 has become after each loss, shape (losses,).

    The stake is the paper's predictable plug-in for so many losses: best if they are as spread as those before, and if
    the test is to be decided just at its end.
    """
    places = np.arange(1, len(losses) + 1)
    means = np.cumsum(losses) / (places + 1)
    variances = (VARIANCE + np.cumsum((losses - means) ** 2)) / (places + 1)
    before = np.concatenate([[VARIANCE], variances])[: len(losses)]
    stakes = np.minimum(STAKE / (1 - risk), sqrt(2 * log(1 / level) / planned) / np.sqrt(before))
    grown: Array = np.exp(np.cumsum(np.log1p(stakes * (risk - losses))))
    return grown
