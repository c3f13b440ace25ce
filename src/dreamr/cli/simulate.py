"""Compute what the target's own versions of steps bring, on the virtual clock.

OUT is a CSV file with a row for every setting under every condition: rivals, continues, acceptance, cost, verdict,
crowding, speedup over the target alone, and `lost`, the share of the best setting's speed-up under that condition that
the setting misses. Nothing is measured, and no model takes part.
"""

import argparse
from pathlib import Path

import pandas as pd

from dreamr.cli.common import command_parser
from dreamr.runtime.endings import worded
from dreamr.simulation import rivals
from dreamr.statistics.frame import write_table


@worded()
def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    table = pd.DataFrame(rivals.table())
    best = table.groupby(["acceptance", "cost", "verdict", "crowding"]).speedup.transform("max")
    write_table(table.assign(lost=1 - table.speedup / best), options.out)


def parser() -> argparse.ArgumentParser:
    described = command_parser("simulate", __doc__)
    described.add_argument("--out", required=True, type=Path, metavar="FILE", help="the table (CSV)")
    return described


if __name__ == "__main__":
    main()
