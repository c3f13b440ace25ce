"""CPN, contrastive probability normalization (paper section 3, "TBVM" in its abstract).

The target answers a yes-or-no request about a draft step with one of two keywords; only the balance of their
probabilities counts, so rho does not move with the wording's overall probability.
"""

import math

KEYWORDS = ("positive", "negative")


def rho(positive: float, negative: float) -> float:
    """s+ / (s+ + s-) in [0, 1] from the keywords' log-probabilities, as the sigmoid of their difference.

    Both -inf say nothing for either keyword: ValueError.
    """
    if positive == negative == -math.inf or math.isnan(positive + negative):
        raise ValueError(f"rho needs a finite log-probability; found positive {positive}, negative {negative}")
    odds = math.exp(-abs(positive - negative))  # at most 1: never overflows
    return (1.0 if positive >= negative else odds) / (1.0 + odds)


def accepts(rho: float, alpha: float) -> bool:
    """Whether a step with `rho` passes the threshold: strictly above it (paper section 3)."""
    return rho > alpha
