"""Keep the main results of a run in the repository, small: what README quotes.

    python -m dreamr.cli.keep_run --out reports/kept

OUT gets the pools over all pairs of the main tables, and run.json: when the run ended, its scale, seed and machines.
Prints the lines that README quotes.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dreamr.cli.common import BASE, add_configfile, command_parser
from dreamr.config import Config
from dreamr.errors import UserError
from dreamr.files import write_atomically
from dreamr.planning.plan import Plan
from dreamr.planning.reading import read
from dreamr.report.labels import label
from dreamr.report.page import MAIN, Row, first, formatted, machines, records
from dreamr.runtime.endings import worded
from dreamr.statistics.frame import ALL, read_table, write_table

KEPT = ("accuracy", "speed", "acceptance", "sapo")
POOL = {"target": ALL, "draft": ALL, "benchmark": ALL}
COLUMNS = {  # of the README's table: heading, table, quantity, format
    "accuracy %": ("accuracy", "accuracy", "share"),
    "against the target, points": ("accuracy", "accuracy_change", "points"),
    "speed-up": ("speed", "speedup", "times"),
    "accepted of verified steps %": ("acceptance", "acceptance", "share"),
}


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    config = read([BASE, *options.configfile])
    results, told = Path(config.pathvars.results), facts(config)
    for name in KEPT:
        table = read_table(results / "tables" / f"{name}.csv")
        pools = table[(table.target == ALL) & (table.draft == ALL)]
        write_table(pools, options.out / f"{name}.csv")
    write_atomically(options.out / "run.json", json.dumps(told, indent=1) + "\n")
    print(*readme_lines(options.out), sep="\n")


def facts(config: Config) -> dict[str, Any]:
    """When and on what a run was made."""
    results = Path(config.pathvars.results)
    page = results / "report" / "index.html"
    if not page.is_file():
        raise UserError(f"{page}: no such file; keep a run that has come to its page")
    ended = datetime.fromtimestamp(page.stat().st_mtime, UTC)
    traces = [Path(path) for path in Plan(config).outputs()["generate"]]
    named = {"title": config.title, "scale": config.scale, "seed": config.micro.seed if config.micro else None}
    return {"ended": f"{ended:%Y-%m-%d}", **named, "machines": machines(results / "cells", traces)}


def readme_lines(folder: Path) -> Iterator[str]:
    """What README quotes of a kept run: where it was made, and the table of its methods."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    named = " and ".join(machine["device"] for machine in run["machines"])
    yield f"Run of {run['ended']} on {named}; question seed {run['seed']}."
    yield ""
    tables = {name: records(read_table(folder / f"{name}.csv")) for name in KEPT}
    yield f"| method | {' | '.join(COLUMNS)} |"
    yield "| --- |" + " --- |" * len(COLUMNS)
    for method in MAIN:
        rows = {name: first(tables[name], method=method, **POOL) for name in KEPT}
        if rows["accuracy"]:
            cells = [_cell(rows[table], quantity, kind) for table, quantity, kind in COLUMNS.values()]
            yield f"| {label(method)} | {' | '.join(cells)} |"


def _cell(row: Row | None, quantity: str, kind: str) -> str:
    if row is None or row[quantity] is None:
        return ""
    bounds = [formatted(row[f"{quantity}_{end}"], kind) for end in ("low", "high")]
    known = row[f"{quantity}_low"] is not None
    return formatted(row[quantity], kind) + (f" [{', '.join(bounds)}]" if known else "")


def parser() -> argparse.ArgumentParser:
    described = command_parser("keep_run", __doc__)
    add_configfile(described)
    described.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="folder for the kept files")
    return described


if __name__ == "__main__":
    main()
