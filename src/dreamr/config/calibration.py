"""Thresholds that are calibrated: what is promised of them, on which problems, and which ones are tried."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter, field_validator

from dreamr.config.base import Count, Fraction, Name, Spec


class Guarantee(Spec):
    """With this confidence a method loses less accuracy against its target alone than the risk.

    Its threshold is chosen on problems of its own, by fixed-sequence testing (Learn then Test).
    """

    risk: Fraction = Field(description="Less accuracy than this is lost against the target alone, as a share of 1.")
    confidence: Fraction = Field(description="Probability with which the promise holds, such as 0.95.")
    problems: Count = Field(description="Most problems that a threshold is tested on; a test ends once it has decided.")

    def __str__(self) -> str:
        """What stands for the threshold until it is known."""
        return f"calibrated, risk {self.risk:g}, confidence {self.confidence:g}"


_NUMBER: TypeAdapter[float | None] = TypeAdapter(Fraction | None)


def _told_apart(value: Any) -> Any:
    """A mapping is a guarantee, all else has to be a number: so what is wrong is told of one of the two."""
    if isinstance(value, Mapping):
        return Guarantee.model_validate(value)
    return value if isinstance(value, Guarantee) else _NUMBER.validate_python(value)


if TYPE_CHECKING:
    Alpha = float | None  # what a method has that is run: there the number stands in the place of its guarantee
else:
    Alpha = Annotated[Fraction | Guarantee | None, BeforeValidator(_told_apart)]


class Calibration(Spec):
    """How a threshold is chosen where a method's `alpha` is a guarantee."""

    suite: Name = Field(
        description="A name in `suites`: the problems to calibrate on, each in one of its versions. No run asks them, "
        "and no training draws them."
    )
    seed: int = Field(
        description="Seed of the order in which problems are asked; where they are generated, of the problems too."
    )
    candidates: tuple[Fraction, ...] = Field(
        min_length=1,
        description="Thresholds to try, the strictest (largest) first. They are tested in this order up to the first "
        "that is not certified; the last certified one is used.",
    )
    generated: str | None = Field(
        description="Folder in which the micro world makes problems for it: those of a benchmark whose path is this "
        "folder and the name of its adapter; null: none."
    )

    @field_validator("candidates")
    @classmethod
    def _strictest_first(cls, candidates: tuple[float, ...]) -> tuple[float, ...]:
        if [*candidates] != sorted({*candidates}, reverse=True):
            raise ValueError(f"candidates {list(candidates)} must fall from one to the next")
        return candidates
