"""List the benchmark items that also stand in a training set, with the evidence.

Compares the prepared questions of all benchmarks with those of all training sets: images by perceptual hashes,
wording, and the benchmarks' own source columns. OUT gets one row per pair: benchmark, question, cluster, training_set,
training_question, image_bits, text_share, by_image, by_text, by_source. An empty training_question means that the
source column alone names the training set.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dreamr.cli.common import command_parser
from dreamr.data.contamination import Hashes, Overlap, audit, side, summary
from dreamr.files import write_atomically
from dreamr.records import Question, read_rows
from dreamr.runtime.endings import worded


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    known: dict[str, Hashes] = {}
    sides = {
        name: side(name, list(read_rows(options.data / f"{name}.jsonl", Question)), options.data, known)
        for name in [*options.benchmarks, *options.training_sets]
    }
    found = audit([sides[name] for name in options.benchmarks], [sides[name] for name in options.training_sets])
    write(options.out, found)
    for row in summary(found, {name: len(each.questions) for name, each in sides.items()}):
        print(" ".join(f"{key}={value}" for key, value in row.items()))


def write(path: Path, found: Sequence[Overlap]) -> None:
    """The overlaps as a CSV file, in one atomic move."""
    table = pd.DataFrame([one.model_dump() for one in found], columns=list(Overlap.model_fields))
    write_atomically(path, table.astype({"image_bits": "Int64"}).to_csv(index=False))


def parser() -> argparse.ArgumentParser:
    described = command_parser("audit", __doc__)
    described.add_argument("--data", required=True, type=Path, metavar="FOLDER", help="prepared questions and images")
    described.add_argument("--benchmarks", required=True, nargs="+", metavar="NAME")
    described.add_argument("--training-sets", required=True, nargs="+", metavar="NAME")
    described.add_argument("--out", required=True, type=Path, metavar="FILE", help="CSV file")
    return described


if __name__ == "__main__":
    main()
