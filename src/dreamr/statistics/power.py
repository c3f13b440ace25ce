"""What a design can find, computed before anything is answered."""

from math import sqrt

from scipy import stats
from statsmodels.stats.power import TTestPower


def non_inferiority_power(clusters: int, spread: float, change: float, margin: float, confidence: float) -> float:
    """Probability that a true `change` of accuracy is found to cost less than `margin`.

    Student's test over `clusters`, in each of which the change has the standard deviation `spread`; shares, not points.
    """
    effect = (margin + change) / spread
    power: float = TTestPower().power(effect, nobs=clusters, alpha=(1 - confidence) / 2, alternative="larger")
    return power


def half_width(clusters: int, spread: float, confidence: float) -> float:
    """Half of the width that Student's interval of the mean change over `clusters` is expected to have; a share."""
    quantile: float = stats.t.ppf((1 + confidence) / 2, clusters - 1)
    return quantile * spread / sqrt(clusters)
