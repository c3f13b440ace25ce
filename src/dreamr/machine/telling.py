"""The check in words: for a run that starts, and for a user who asks."""

from collections.abc import Iterator, Sequence

from dreamr.errors import UserError
from dreamr.machine.found import probed
from dreamr.machine.lines import compared
from dreamr.machine.needed import Needs, folders, ready_environments
from dreamr.machine.verdicts import Line

COMMAND = ".venv/bin/dreamr check"


def checked(needed: Needs) -> list[Line]:
    """This machine against what is needed."""
    on_gpus = needed.config.device == "cuda" and bool(needed.jobs)
    environments = ready_environments(needed.config) if needed.jobs else []
    return compared(probed(folders(needed.config), on_gpus, environments), needed)


def announced(needed: Needs, overlays: Sequence[str]) -> str:
    """What a run says of its machine before the first job; UserError where one of its jobs would fail for certain."""
    lines = checked(needed)
    told = [*faults(lines), *on_nodes(needed, overlays)]
    if any(line.verdict == "stop" for line in lines):
        raise UserError("\n".join(["This machine cannot do what is asked:", *told]))
    return "\n".join(told) or f"This machine has what the run needs ({COMMAND} shows it)."


def faults(lines: Sequence[Line]) -> list[str]:
    """What stops, then what is doubtful, each with what to do."""
    return [f"{verdict}: {line}" for verdict in ("stop", "doubt") for line in lines if line.verdict == verdict]


def on_nodes(needed: Needs, overlays: Sequence[str]) -> Iterator[str]:
    """How to check the machines to which jobs are submitted; nothing where all run here."""
    if needed.elsewhere:
        yield "Jobs on models run on other machines. To check a node, in the partition of that rule's jobs:"
    files = f" --configfile {' '.join(overlays)}" if overlays else ""
    for jobs in needed.elsewhere:
        gpus = f" --gpus={jobs.gpus}" if jobs.gpus else ""
        asked = f"srun --partition=... --nodes=1{gpus} --mem={jobs.memory_gb}G"
        yield f"  {asked} {COMMAND} --rule {jobs.rule}{files}"
