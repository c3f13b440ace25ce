"""Problems to calibrate thresholds on: like those of the micro benchmarks, by random numbers of their own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dreamr.micro.datasets import SPLITS, write
from dreamr.micro.rows import BENCHMARKS

STREAM = 200  # behind those of benchmarks and training sets: other problems even where seeds are alike


def write_problems(out: Path, benchmarks: Sequence[str], problems: int, seed: int) -> None:
    """Write `out`/<benchmark>/<split>.parquet with the truth of each question beside it.

    Each problem is of any of the benchmarks with the same probability. So all of them together, in random order, are
    independent draws from one population, which the test of a threshold rests on.
    """
    drawn = np.random.default_rng([seed, STREAM - 1]).integers(len(benchmarks), size=problems)
    for place, name in enumerate(benchmarks):
        rng, number = np.random.default_rng([seed, STREAM + place]), int((drawn == place).sum())
        made = [row for problem in range(number) for row in BENCHMARKS[name](rng, "test", problem)]
        write(out, name, SPLITS[name], made)
