"""Write the micro world's data sets: four benchmarks and three training sets, in the columns of those on the hub.

    python -m dreamr.cli.make_micro --out resources/micro --seed 1

Each data set gets a folder with <split>.parquet (images inside) and truth.jsonl (what is true of each question).
planted.csv lists the benchmark questions that were put into a training set as well, on purpose, for the contamination
audit to find. The same arguments give the same rows.
"""

import argparse
from pathlib import Path

from dreamr.cli.common import command_parser
from dreamr.micro.datasets import write_all
from dreamr.runtime.endings import worded


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of at least 1")
    return int(text)


def arguments() -> argparse.Namespace:
    parser = command_parser("make_micro", __doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder that gets one folder per data set")
    parser.add_argument("--seed", type=int, required=True, help="of everything: questions, digits, handwriting")
    parser.add_argument(
        "--questions", type=positive, default=96, help="per benchmark, about: problems are whole (default: %(default)s)"
    )
    parser.add_argument(
        "--training-questions", type=positive, default=300, help="per training set, about (default: %(default)s)"
    )
    return parser.parse_args()


@worded()
def main() -> None:
    options = arguments()
    write_all(options.out, options.seed, options.questions, options.training_questions)


if __name__ == "__main__":
    main()
