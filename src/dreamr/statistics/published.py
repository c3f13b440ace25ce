"""Numbers that are published, each with its source, beside what theory and this run say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import yaml
from pydantic import Field, ValidationError

from dreamr.config import Count, Fraction, Spec
from dreamr.errors import UserError
from dreamr.statistics.closed_form import Schedule, best_speedup, hidden_acceptance
from dreamr.statistics.frame import ALL

COSTS = (0.0, 0.05, 0.1)  # of a draft's step over a target's


class PublishedSpeedup(Spec):
    """An acceptance and a speed-up that may belong together."""

    text: str
    schedule: Schedule
    acceptance: Fraction
    speedup: Annotated[float, Field(gt=0)]
    source: str
    pairing: str  # what ties the two


class PublishedSize(Spec):
    """A size that decides what a schedule can gain; None: not published."""

    quantity: str  # a column of the table `pairs`
    text: str  # in words
    value: float | None
    source: str


class Published(Spec):
    window: Count
    verdict: Fraction  # in units of a target's step
    speedups: Annotated[tuple[PublishedSpeedup, ...], Field(min_length=1)]
    regime: tuple[PublishedSize, ...]


def load_published(path: Path) -> Published:
    """All published numbers; a wrong key or value stops with its place."""
    try:
        return Published.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UserError(f"{path}: {error}") from None


def consistency(numbers: Published) -> pd.DataFrame:
    """What each speed-up asks for, if acceptance counts the verified steps: `needed_C` is how many times as long as the
    method's answers the target's own have to be where a draft's step costs C of a target's; 1 or less asks for nothing.

    With free drafts verdicts are free too. `hidden_acceptance` is how many of the verified steps may have been accepted
    if acceptance counts the drafted ones; a sequential method drops none, so both readings agree.
    """
    return pd.DataFrame([_line(numbers, one) for one in numbers.speedups])


def _line(numbers: Published, one: PublishedSpeedup) -> dict[str, Any]:
    window = numbers.window if one.schedule == "parallel" else 1
    hidden = hidden_acceptance(one.acceptance, window)
    bounds = {c: best_speedup(one.schedule, one.acceptance, c, numbers.verdict if c else 0.0) for c in COSTS}
    return {
        **one.model_dump(),
        "bound": bounds[0.0],
        **{f"needed_{c:g}": one.speedup / bound for c, bound in bounds.items()},
        "hidden_acceptance": hidden,
        "hidden_bound": best_speedup(one.schedule, hidden),
    }


def regime(pairs: pd.DataFrame, numbers: Published) -> pd.DataFrame:
    """The published sizes beside those of this run, all pairs and benchmarks together."""
    pool = pairs[(pairs.target == ALL) & (pairs.draft == ALL) & (pairs.benchmark == ALL)]
    return pd.DataFrame(_beside(pool, numbers))


def _beside(pool: pd.DataFrame, numbers: Published) -> Iterator[dict[str, Any]]:
    for one in numbers.regime:
        ends = {end: f"{one.quantity}{end}" for end in ("", "_low", "_high")}
        here = {f"here{end}": pool[name].squeeze() if len(pool) else None for end, name in ends.items()}
        yield {"quantity": one.quantity, "text": one.text, **here, "published": one.value, "source": one.source}
