"""Calibrated thresholds in the place of what was promised of them."""

from collections.abc import Iterable
from pathlib import Path

from dreamr.certificates import Certificate, read_certificate
from dreamr.config import Method
from dreamr.errors import UserError
from dreamr.planning.jobs import Cell, GenerateJob


def certified(method: Method, certificate: Certificate) -> Method:
    """The method as it is run: with its threshold or, where none was certified, as the target alone."""
    if certificate.alpha is None:
        return Method(loop="target_only", budget=method.budget)
    return method.model_copy(update={"alpha": certificate.alpha})


def with_thresholds(job: GenerateJob, files: Iterable[Path]) -> GenerateJob:
    """The job with all methods as they are run; their cells' digests hold their thresholds.

    A method whose threshold is in none of the files is a UserError.
    """
    certificates = {found.method: found for found in map(read_certificate, files)}
    cells = {name: _cell(name, cell, certificates) for name, cell in job.cells.items()}
    return job.model_copy(update={"cells": cells})


def _cell(name: str, cell: Cell, certificates: dict[str, Certificate]) -> Cell:
    if not cell.method.guarantee:
        return cell
    if name not in certificates:
        raise UserError(f"{name!r}: its threshold is to be calibrated, and none of --calibrated has it")
    return cell.run_as(certified(cell.method, certificates[name]))
