"""The paper's numbers, each with the source that it was read in, beside what theory and this run say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pandas as pd
import yaml
from pydantic import Field, ValidationError, model_validator

from dreamr.config import Count, Fraction, Spec
from dreamr.errors import UserError
from dreamr.statistics.closed_form import Schedule, best_speedup, hidden_acceptance
from dreamr.statistics.frame import ALL

COSTS = (0.0, 0.05, 0.1)  # of a draft's step over a target's
# Where a statement of the paper was read. Neither its text nor its code was at hand when this was built.
PaperSource = Literal["abstract", "opening", "digest (not checked against the paper)"]
NOT_NAMED = "our sources of the paper do not name it"


class PublishedCount(Spec):
    value: Count
    source: PaperSource


class PublishedSpeedup(Spec):
    """An acceptance and a speed-up that may belong together."""

    text: str
    schedule: Schedule
    acceptance: Fraction
    speedup: Annotated[float, Field(gt=0)]
    source: PaperSource
    pairing: str  # what ties the two


class PublishedSize(Spec):
    """A size that decides what a schedule can gain; value and source are None where no source names it."""

    quantity: str  # a column of the table `pairs`
    text: str  # in words
    value: float | None
    source: PaperSource | None
    remark: str = ""

    @model_validator(mode="after")
    def _a_number_has_a_source(self) -> Self:
        if (self.value is None) != (self.source is None):
            raise ValueError(f"{self.quantity}: value and source are both given or both null")
        return self


class Published(Spec):
    window: PublishedCount  # drafted steps that may be unverified at once
    verdict: Fraction  # in units of a target's step: assumed
    speedups: Annotated[tuple[PublishedSpeedup, ...], Field(min_length=1)]
    regime: tuple[PublishedSize, ...]


def load_published(path: Path) -> Published:
    """All numbers of the paper; a wrong key or value, or a number without a source, is a UserError with its place."""
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
    window = numbers.window.value if one.schedule == "parallel" else 1
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
    """The paper's sizes beside those of this run, all pairs and benchmarks together."""
    pool = pairs[(pairs.target == ALL) & (pairs.draft == ALL) & (pairs.benchmark == ALL)]
    return pd.DataFrame(_beside(pool, numbers))


def _beside(pool: pd.DataFrame, numbers: Published) -> Iterator[dict[str, Any]]:
    for one in numbers.regime:
        ends = {end: f"{one.quantity}{end}" for end in ("", "_low", "_high")}
        here = {f"here{end}": pool[name].squeeze() if len(pool) else None for end, name in ends.items()}
        told = {"published": one.value, "source": one.source or NOT_NAMED, "remark": one.remark}
        yield {"quantity": one.quantity, "text": one.text, **here, **told}
