"""How often the interval of an area under a ROC curve covers it."""

from math import sqrt

import numpy as np
import pandas as pd
import pytest
from factories import config
from scipy import stats
from simulations import Random, Simulation, covers

from dreamr.planning.jobs import SummariseJob
from dreamr.studies.verification.separation import area


def auc(rng: Random) -> bool:
    """Verdicts on five steps of each of 40 questions; some questions' verdicts are high altogether."""
    right = rng.random(200) < 0.7
    verdicts = rng.normal(1.2 * right + np.repeat(rng.normal(0, 0.5, size=40), 5), 1)
    one = {"stratum": "a", "share": 1.0, "weight": 1.0}
    steps = {"verdict": verdicts, "right": right.astype(float), "cluster": np.repeat(np.arange(40), 5), **one}
    return covers(area(pd.DataFrame(steps), JOB), AREA)


AREA = float(stats.norm.cdf(1.2 / sqrt(2 * (1 + 0.5**2))))
JOB = SummariseJob.of(config())
JOB = JOB.model_copy(update={"statistics": JOB.statistics.model_copy(update={"resamples": 1000})})
SIMULATIONS = (Simulation("bootstrap: area under a ROC curve, 40 questions", auc, 0.93, 0.97),)


@pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda simulation: simulation.name)
def test_a_rate_is_as_it_should_be(simulation: Simulation) -> None:
    assert simulation.holds()
