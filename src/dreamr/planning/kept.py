"""Answers that earlier runs kept: which of them the present settings and code take up."""

import json
from pathlib import Path
from typing import NamedTuple

from dreamr.planning.plan import Plan


class Kept(NamedTuple):
    """Numbers of answer files, one a method, target, draft and suite."""

    wanted: int  # that this plan has
    present: int  # of these, by the present settings and code
    others: int  # by other settings or code, or in the layout of an older version


def kept_answers(plan: Plan) -> Kept:
    """What lies in the folder of answers. Whether models or questions have changed since, a job finds out."""
    wanted = {plan.cell(group, name).digest for group in plan.groups for name in plan.methods(group)}
    cards = sorted(Path(plan.config.pathvars.results, "cells").glob("*.card.json"))
    digests = [_digest(json.loads(card.read_text(encoding="utf-8"))) for card in cards]
    present = wanted & {*digests}
    return Kept(len(wanted), len(present), sum(digest not in wanted for digest in digests))


def _digest(card: dict[str, object]) -> str | None:
    """Digest of settings and code of the method that a card tells of; None for a card of an older layout."""
    match card:
        case {"method": str(name), "job": {"cells": dict(cells)}} if isinstance(cells.get(name), dict):
            digest = cells[name].get("digest")
            return digest if isinstance(digest, str) else None
    return None
