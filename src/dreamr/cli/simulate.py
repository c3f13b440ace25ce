"""Compute what the target's own versions of steps bring, on the virtual clock.

OUT is a CSV file with a row for every setting under every condition: target_speculation, continues, acceptance, cost,
verdict, crowding, speedup over the target alone, and `lost`, the share of the best setting's speed-up under that
condition that the setting misses. Nothing is measured, and no model takes part.
"""

from pathlib import Path

import pandas as pd

from dreamr.runtime.endings import exit_on_user_error
from dreamr.simulation import target_speculation
from dreamr.statistics.frame import write_table


@exit_on_user_error()
def main(*, out: Path) -> None:
    """Write the table.

    Args:
        out: the table (CSV)
    """
    table = pd.DataFrame(target_speculation.table())
    best = table.groupby(["acceptance", "cost", "verdict", "crowding"]).speedup.transform("max")
    write_table(table.assign(lost=1 - table.speedup / best), out)
