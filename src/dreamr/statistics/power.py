"""What a design can find, computed before anything is answered."""

from statsmodels.stats.power import TTestPower


def non_inferiority_power(clusters: int, spread: float, change: float, margin: float, confidence: float) -> float:
    """Probability that a true `change` of accuracy is found to cost less than `margin`.

    Student's test over `clusters`, in each of which the change has the standard deviation `spread`; shares, not points.
    """
    effect = (margin + change) / spread
    power: float = TTestPower().power(effect, nobs=clusters, alpha=(1 - confidence) / 2, alternative="larger")
    return power
