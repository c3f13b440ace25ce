"""Turn the scores of all jobs into tables with intervals.

Each table is a CSV file with key columns (`all` in one of them is a pool), `n` rows, `clusters`, and for every quantity
X the columns X, X_low and X_high. An empty cell means that the data cannot tell.
"""

import argparse
from pathlib import Path

import pandas as pd

from dreamr.claims import judged, load_claims
from dreamr.jobs import SummariseJob
from dreamr.tables import NO_OVERLAPS, TABLES, contamination, load_scores, read_table

CLAIMS = Path(__file__).parents[3] / "config" / "claims.yaml"


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    job = SummariseJob.model_validate_json(options.spec)
    overlaps = read_table(options.overlaps) if options.overlaps else NO_OVERLAPS
    rows = load_scores(options.scores, overlaps)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in TABLES.items():
        save(table(rows, job), options.out / f"{name}.csv")
    save(contamination(overlaps, rows), options.out / "contamination.csv")
    tables = {name: read_table(options.out / f"{name}.csv") for name in TABLES}
    save(judged(load_claims(options.claims), tables, job.scale), options.out / "claims.csv")


def save(table: pd.DataFrame, path: Path) -> None:
    """Write a table in one atomic move."""
    part = path.with_name(path.name + ".part")
    table.to_csv(part, index=False, float_format="%.6g")
    part.replace(path)


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="python -m dreamr.cli.summarise",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"Tables: {', '.join(TABLES)}, contamination, and claims: the verdict on each claim of the paper.",
    )
    described.add_argument("--spec", required=True, metavar="JSON", help="a SummariseJob: statistics, methods, pairs")
    described.add_argument("--scores", required=True, nargs="+", type=Path, metavar="FILE", help="Score rows")
    described.add_argument("--claims", default=CLAIMS, type=Path, metavar="FILE", help="claims to judge (YAML)")
    described.add_argument("--overlaps", type=Path, metavar="FILE", help="overlaps of cli.audit, where audited (CSV)")
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="folder for the CSV files")
    return described


if __name__ == "__main__":
    main()
