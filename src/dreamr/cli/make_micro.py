"""Write the micro world's data sets: four benchmarks and three training sets, in the columns of those on the hub.

    dreamr make-micro --out resources/micro --spec '{"folder": "resources/micro", "seed": 1, "clusters":
        {"mathverse": 24, "mmbench": 12, "realworldqa": 24, "mmmu": 24}, "training_questions": 120}'

Each data set gets a folder with <split>.parquet (images inside) and truth.jsonl (what is true of each question).
planted.csv lists the benchmark questions that were put into a training set as well, on purpose, for the contamination
audit to find. The same spec gives the same rows.
"""

from pathlib import Path

from dreamr.cli.common import read_spec
from dreamr.config import Micro
from dreamr.micro.datasets import write_all
from dreamr.runtime.endings import exit_on_user_error


@exit_on_user_error()
def main(*, spec: str, out: Path) -> None:
    """Write all data sets.

    Args:
        spec: JSON of `micro` of the configuration: seed and sizes
        out: folder that gets one folder per data set
    """
    write_all(out, read_spec(Micro, spec))
