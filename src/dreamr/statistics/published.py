"""The paper's numbers, each with the source that it was read in, as they stand in a file."""

from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from dreamr.config import Count, Fraction, Spec
from dreamr.errors import UserError
from dreamr.statistics.claims import PaperSource
from dreamr.statistics.closed_forms import Schedule


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


class Weights(Spec):
    """A model's weights as a decoded token reads them, and the devices that share them."""

    parameters: Annotated[float, Field(gt=0)]  # of a mixture of experts those that a token meets
    bits: Annotated[float, Field(gt=0)]
    kept: Annotated[float, Field(ge=0)] = 0  # parameters of these that quantization leaves at 16 bits
    devices: Count

    @property
    def gb(self) -> float:
        """Of each device."""
        return ((self.parameters - self.kept) * self.bits + self.kept * 16) / 8e9 / self.devices


class Held(Spec):
    """GB of weights on each GPU by the plan."""

    draft: Annotated[float, Field(gt=0)]
    target: Annotated[float, Field(gt=0)]


class Decoding(Spec):
    """What a pair's token costs where decoding is bound by reading weights: assumed, and measured nowhere."""

    text: str
    draft: Weights
    target: Weights
    held: Held | None = None  # where `dreamr plan` was asked

    @property
    def cost(self) -> float:
        """A draft's token, or step of as many tokens, over a target's."""
        return self.draft.gb / self.target.gb

    @property
    def held_cost(self) -> float | None:
        """The same by all weights that lie on a GPU, where the plan was asked."""
        return self.held.draft / self.held.target if self.held else None


class Published(Spec):
    window: PublishedCount  # drafted steps that may be unverified at once
    verdict: Fraction  # in units of a target's step: assumed, published nowhere
    decoding: Annotated[tuple[Decoding, ...], Field(min_length=1)]  # the first is told beside each speed-up
    speedups: Annotated[tuple[PublishedSpeedup, ...], Field(min_length=1)]
    regime: tuple[PublishedSize, ...]


def load_published(path: Path) -> Published:
    """All numbers of the paper; a wrong key or value, or a number without a source, is a UserError with its place."""
    try:
        return Published.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UserError(f"{path}: {error}") from None
