"""Write the micro world's data sets: four benchmarks and three training sets, in the columns of those on the hub.

    python -m dreamr.cli.make_micro --out resources/micro --spec '{"folder": "resources/micro", "seed": 1, "clusters":
        {"mathverse": 24, "mmbench": 12, "realworldqa": 24, "mmmu": 24}, "training_questions": 120}'

Each data set gets a folder with <split>.parquet (images inside) and truth.jsonl (what is true of each question).
planted.csv lists the benchmark questions that were put into a training set as well, on purpose, for the contamination
audit to find. The same spec gives the same rows.
"""

import argparse
from pathlib import Path

from dreamr.cli.common import command_parser, read_spec
from dreamr.config import Micro
from dreamr.micro.datasets import write_all
from dreamr.runtime.endings import worded


def arguments() -> argparse.Namespace:
    parser = command_parser("make_micro", __doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder that gets one folder per data set")
    parser.add_argument("--spec", required=True, metavar="JSON", help="`micro` of the configuration: seed and sizes")
    return parser.parse_args()


@worded()
def main() -> None:
    options = arguments()
    write_all(options.out, read_spec(Micro, options.spec))


if __name__ == "__main__":
    main()
