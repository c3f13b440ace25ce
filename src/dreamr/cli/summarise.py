"""Turn the scores of all jobs into tables with intervals.

Each table is a CSV file with key columns (`all` in one of them is a pool), `n` rows, `clusters`, and for every quantity
X the columns X, X_low and X_high. An empty cell means that the data cannot tell. A cell that is faster than possible
stops the command: its times or counts are wrong.
"""

import argparse
from pathlib import Path

from dreamr.cli.common import command_parser, read_spec
from dreamr.planning.jobs import SummariseJob
from dreamr.records import Trace, read_rows
from dreamr.runtime.endings import worded
from dreamr.statistics import bounds, comparisons, contrasts, crowds, factors, interventions, pairs, published, tables
from dreamr.statistics.claims import judged, load_claims
from dreamr.statistics.exposure import contamination, exposure
from dreamr.statistics.frame import NO_AUDIT, first_training, load_scores, read_table, write_table
from dreamr.statistics.milliseconds import milliseconds
from dreamr.statistics.names import AUDITED, OF_SCORES, TABLES

MODULES = {
    **{"tables": tables, "comparisons": comparisons, "contrasts": contrasts, "crowds": crowds, "factors": factors},
    **{"pairs": pairs, "bounds": bounds, "interventions": interventions},
}
MAKERS = {name: getattr(MODULES[module], name) for name, module in OF_SCORES.items()}
CONFIG = Path(__file__).parents[3] / "config"


@worded()
def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    job = read_spec(SummariseJob, options.spec)
    audited = {name: read_table(options.audit / f"{name}.csv") for name in AUDITED} if options.audit else NO_AUDIT
    trainings = load_scores(options.scores, audited["overlaps"])
    rows = first_training(trainings)
    for name, make in MAKERS.items():
        write_table(make(trainings if name == "contrasts" else rows, job), options.out / f"{name}.csv")
    write_table(tables.refusals(rows), options.out / "refusals.csv")
    write_table(tables.fitting(rows), options.out / "fitting.csv")
    write_table(contamination(audited, rows, job), options.out / "contamination.csv")
    write_table(exposure(trainings, audited["exposures"], job), options.out / "exposure.csv")
    traces = (row for path in options.traces for row in read_rows(path, Trace))
    write_table(milliseconds(traces, rows, job), options.out / "milliseconds.csv")
    written = {name: read_table(options.out / f"{name}.csv") for name in MAKERS}
    bounds.refuse_broken(written["bound"])
    numbers = published.load_published(options.published)
    write_table(published.consistency(numbers), options.out / "consistency.csv")
    write_table(published.regime(written["pairs"], numbers), options.out / "regime.csv")
    write_table(judged(load_claims(options.claims), written, job), options.out / "claims.csv")


def parser() -> argparse.ArgumentParser:
    described = command_parser(
        "summarise",
        __doc__,
        f"Tables: {', '.join(TABLES)}; claims holds the verdict on each claim of the paper.",
    )
    described.add_argument("--spec", required=True, metavar="JSON", help="a SummariseJob: statistics, methods, pairs")
    described.add_argument("--scores", required=True, nargs="+", type=Path, metavar="FILE", help="Score rows")
    described.add_argument(
        "--traces", default=[], nargs="*", type=Path, metavar="FILE", help="their Trace rows, for spans"
    )
    described.add_argument(
        "--claims", default=CONFIG / "claims.yaml", type=Path, metavar="FILE", help="claims to judge (YAML)"
    )
    described.add_argument(
        "--published", default=CONFIG / "published.yaml", type=Path, metavar="FILE", help="numbers of the paper (YAML)"
    )
    described.add_argument("--audit", type=Path, metavar="FOLDER", help="tables of cli.audit, where audited")
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="folder for the CSV files")
    return described


if __name__ == "__main__":
    main()
