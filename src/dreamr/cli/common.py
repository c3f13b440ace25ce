"""What all commands share: how they describe themselves, and how they are told their job."""

import argparse
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from dreamr.errors import UserError

BASE = Path("config/config.yaml")  # the Snakefile's; overlays lie over it
Job = TypeVar("Job", bound=BaseModel)


def command_parser(command: str, described: str | None, epilog: str | None = None) -> argparse.ArgumentParser:
    """The parser of `python -m dreamr.cli.<command>`, with the module's docstring as its description."""
    return argparse.ArgumentParser(
        prog=f"python -m dreamr.cli.{command}",
        description=described,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=epilog,
    )


def add_configfile(described: argparse.ArgumentParser) -> None:
    """The option by which Snakemake too is given overlays; `read([BASE, *options.configfile])` reads them."""
    described.add_argument(
        "--configfile",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help=f"laid over {BASE}, each over those before it, as snakemake does",
    )


def read_spec(kind: type[Job], text: str) -> Job:
    """The job that `--spec` tells; every wrong key or value is a UserError."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"--spec {text}: {error}") from None
