"""Answers that earlier runs kept: which of them the present settings and code take up."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dreamr.planning.jobs import Cell, GenerateJob
from dreamr.planning.plan import Plan


class Kept(NamedTuple):
    """Numbers of answer files, one a method, target, draft and suite."""

    wanted: int  # that this plan has
    present: int  # of these, by the present settings and code
    others: int  # by other settings or code, or in the layout of an older version


def kept_answers(plan: Plan) -> Kept:
    """What lies in the folder of answers. Whether models or questions have changed since, a job finds out."""
    wanted = {plan.cell(group, name): None for group in plan.groups for name in plan.methods(group)}
    ways = [_ways(plan, cell) for cell in wanted]
    calibrating = {cell.digest for job in _calibrations(plan) for cell in job.cells.values()}
    cards = sorted(Path(plan.config.pathvars.results, "cells").glob("*.card.json"))
    digests = [_digest(json.loads(card.read_text(encoding="utf-8"))) for card in cards]
    known = calibrating.union(*ways)
    present = sum(not one.isdisjoint(digests) for one in ways)
    return Kept(len(wanted), present, sum(digest not in known for digest in digests))


def _ways(plan: Plan, cell: Cell) -> set[str]:
    """Digests that a cell may have: of a threshold that is calibrated one for each that may come of it."""
    made, method = plan.config.calibration, cell.method
    if not made or not method.guarantee:
        return {cell.digest}
    alphas = (*made.candidates, None)
    return {cell.run_as(method.model_copy(update={"alpha": alpha})).digest for alpha in alphas}


def _calibrations(plan: Plan) -> Iterator[GenerateJob]:
    """What calibrations answer."""
    yield from (plan.ask_target(target) for target in {one.target for one in plan.calibrations})
    yield from (plan.calibrate(one).answers for one in plan.calibrations)


def _digest(card: dict[str, object]) -> str | None:
    """Digest of settings and code of the method that a card tells of; None for a card of an older layout."""
    match card:
        case {"method": str(name), "job": {"cells": dict(cells)}} if isinstance(cells.get(name), dict):
            digest = cells[name].get("digest")
            return digest if isinstance(digest, str) else None
    return None
