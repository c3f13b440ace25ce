"""Turn the scores of all jobs into tables with intervals.

Each table is a CSV file with key columns (`all` in one of them is a pool), `n` rows, `clusters`, and for every quantity
X the columns X, X_low and X_high. An empty cell means that the data cannot tell.
"""

import argparse
from pathlib import Path

from dreamr.jobs import SummariseJob
from dreamr.tables import TABLES, load_scores


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    job = SummariseJob.model_validate_json(options.spec)
    rows = load_scores(options.scores)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in TABLES.items():
        part = options.out / f"{name}.csv.part"
        table(rows, job).to_csv(part, index=False, float_format="%.6g")
        part.replace(options.out / f"{name}.csv")


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="python -m dreamr.cli.summarise",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"Tables: {', '.join(TABLES)}.",
    )
    described.add_argument("--spec", required=True, metavar="JSON", help="a SummariseJob: statistics, methods, pairs")
    described.add_argument("--scores", required=True, nargs="+", type=Path, metavar="FILE", help="Score rows")
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="folder for the CSV files")
    return described


if __name__ == "__main__":
    main()
