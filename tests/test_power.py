"""What a design is said to find, against simulation."""

import numpy as np
import pytest
from factories import ROOT, config
from scipy import stats

from dreamr.statistics.frame import read_table
from dreamr.statistics.power import non_inferiority_power


def test_power_is_how_often_simulated_intervals_clear_the_margin() -> None:
    """40 clusters of standard deviation .1, changes of 0 and of the margin itself."""
    draws = np.random.default_rng(0).normal(0.0, 0.1, size=(20_000, 40))
    half = stats.t.ppf(0.975, 39) * draws.std(axis=1, ddof=1) / np.sqrt(40)
    cleared = float(np.mean(draws.mean(axis=1) - half > -0.03))
    assert non_inferiority_power(40, 0.1, 0.0, 0.03, 0.95) == pytest.approx(cleared, abs=0.01)
    assert non_inferiority_power(40, 0.1, -0.03, 0.03, 0.95) == pytest.approx(0.025, abs=0.001)


def test_the_configured_spread_is_that_of_the_kept_run() -> None:
    """Set `estimates.spread` anew with the run."""
    table = read_table(ROOT / "reports/kept/accuracy.csv")
    pooled = (table[["target", "draft", "benchmark"]] == "all").all(axis=1)
    (row,) = table[pooled & (table.method == "dreamr")].itertuples()
    assert config().estimates.spread == pytest.approx(row.spread, rel=0.05)
