"""What several commands share: options, and how a command is told its job."""

from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import Parameter
from pydantic import BaseModel, ValidationError

from dreamr.config import faults
from dreamr.errors import UserError

BASE = Path("config/config.yaml")  # the Snakefile's; overlays lie over it
# The option by which Snakemake too is given overlays; `read([BASE, *configfile])` reads them.
Overlays = Annotated[
    tuple[Path, ...], Parameter(help=f"files, laid over {BASE}, each over those before it, as snakemake does")
]
PerhapsFiles = Annotated[tuple[Path, ...], Parameter(consume_multiple=True)]  # the option may stand there without any
SHOWN = 200  # characters of a job in an error
Job = TypeVar("Job", bound=BaseModel)


def read_spec(kind: type[Job], text: str) -> Job:
    """The job that `--spec` tells; every wrong key or value is a UserError."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."
        raise UserError(f"--spec: {faults(error)}; given: {shown}") from None
