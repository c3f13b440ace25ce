"""What all commands share: how they describe themselves, and how they are told their job."""

import argparse
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from dreamr.errors import UserError

Job = TypeVar("Job", bound=BaseModel)


def command_parser(command: str, described: str | None, epilog: str | None = None) -> argparse.ArgumentParser:
    """The parser of `python -m dreamr.cli.<command>`, with the module's docstring as its description."""
    return argparse.ArgumentParser(
        prog=f"python -m dreamr.cli.{command}",
        description=described,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=epilog,
    )


def read_spec(kind: type[Job], text: str) -> Job:
    """The job that `--spec` tells; every wrong key or value is a UserError."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"--spec {text}: {error}") from None
