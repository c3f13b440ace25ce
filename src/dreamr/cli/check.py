"""Say whether this machine can do what a configuration asks, before any job starts: found, needed, what to do.

    .venv/bin/dreamr check --configfile config/smoke.yaml

Nothing is computed or downloaded. `stop`: a job would fail for certain, and the exit status is 1. `doubt`: it may fail,
or what comes out is less sure. Every real run of Snakemake begins with this check, of the jobs that it is going to run.
On a cluster, --submitted checks the machine from which jobs are submitted, and --rule a node, within a job of its own:

    srun --partition=... --gpus=8 --mem=512G .venv/bin/dreamr check --rule train_sapo --configfile ...
"""

import sys
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Group, Parameter, validators

from dreamr.cli.common import BASE, Overlays
from dreamr.machine.found import cores
from dreamr.machine.needed import everything, needs_here
from dreamr.machine.telling import checked, faults, on_nodes
from dreamr.machine.verdicts import Line
from dreamr.planning.doubts import doubts
from dreamr.planning.plan import Plan
from dreamr.planning.reading import read
from dreamr.planning.site import LIMITED
from dreamr.runtime.endings import exit_on_user_error

WIDTH = 120  # of the table where it is not printed to a terminal
WHERE = Group("Machine", validator=validators.mutually_exclusive)


@exit_on_user_error()
def main(
    *,
    submitted: Annotated[bool, Parameter(group=WHERE)] = False,
    rule: Annotated[tuple[str, ...], Parameter(group=WHERE, choices=tuple(LIMITED))] = (),
    configfile: Overlays = (),
) -> None:
    """Print the table and what to do; exit status 1 where a job would fail for certain.

    Args:
        submitted: jobs on models run on other machines: check this one for the rest
        rule: this machine is a cluster's node: check what jobs of these rules need
    """
    plan = Plan(read([BASE, *configfile]))
    needed = needs_here(plan, everything(plan), cores(), submitted=submitted, node=rule)
    lines = checked(needed)
    show(lines)
    messages = [*faults(lines), *doubts(plan.config), *on_nodes(needed, list(map(str, configfile)))]
    print(*messages or ["This machine has what the configuration needs."], sep="\n", flush=True)
    if any(line.verdict == "stop" for line in lines):
        sys.exit(1)


def show(lines: Sequence[Line]) -> None:
    """All lines as a table, with an empty line behind it."""
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH
    table = Table("", "subject", "found", "needed", box=None, pad_edge=False)
    for line in lines:
        table.add_row(line.verdict, line.subject, line.found, line.needed)
    console.print(table)
    console.print()
