"""What is answered: suites of questions, and runs of methods on them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from dreamr.config.base import NO_DRAFT, Count, Name, Share, Spec

Names = Annotated[tuple[Name, ...], Field(min_length=1)]


class Slice(Spec):
    """Part of one benchmark: all of it, a share of its problems, or shard i of n (1-based)."""

    benchmark: Name = Field(description="A name in `benchmarks`.")
    share: tuple[Share, Share] | None = Field(
        default=None,
        description="[0, 0.5]: the problems whose hash, a number from 0 to 1, lies in this part; null: all. Slices "
        "whose parts do not meet have no problem in common.",
    )
    shard: tuple[Count, Count] = Field(
        default=(1, 1), description="[i, n]: part i of n of these, counted from 1; [1, 1]: all."
    )
    versions: Literal["one", "all"] = Field(
        default="all",
        description="one: of each problem one version or rotation, the same in all slices that ask for one; all: each.",
    )

    @field_validator("shard")
    @classmethod
    def _exists(cls, shard: tuple[int, int]) -> tuple[int, int]:
        if shard[0] > shard[1]:
            raise ValueError(f"shard {shard[0]} of {shard[1]} selects nothing; allowed: 1 to {shard[1]}")
        return shard

    @field_validator("share")
    @classmethod
    def _holds_some(cls, share: tuple[float, float] | None) -> tuple[float, float] | None:
        if share and share[0] >= share[1]:
            raise ValueError(f"share {list(share)} selects nothing; allowed: two numbers from 0 to 1 that grow")
        return share

    @property
    def width(self) -> float:
        """The expected share of the benchmark's problems in it and in the other shards of its share."""
        low, high = self.share or (0, 1)
        return high - low

    def meets(self, other: Self) -> bool:
        """Whether slices of one benchmark may have a problem in common; versions of it may lie in several shards."""
        if self.versions == other.versions == "one" and self.share == other.share:
            (number, shards), (other_number, other_shards) = self.shard, other.shard
            if shards == other_shards and number != other_number:
                return False
        (low, high), (other_low, other_high) = self.share or (0, 1), other.share or (0, 1)
        return max(low, other_low) < min(high, other_high)


class LoadBlocks(Spec):
    """The load experiment: every block of a suite's questions is answered with so many of them at once."""

    sizes: tuple[Count, ...] = Field(min_length=1, description="Questions at once, from the fewest to the most.")
    blocks: Count = Field(
        description="Equal parts of the questions. An interval rests on so many blocks, and takes six at least."
    )

    @field_validator("sizes")
    @classmethod
    def _grow(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if sorted({*sizes}) != [*sizes]:
            raise ValueError(f"sizes {list(sizes)} must grow from one to the next")
        return sizes


class Suite(Spec):
    """Questions that one job answers."""

    slices: tuple[Slice, ...] = Field(min_length=1, description="Which questions: benchmarks, or parts of them.")
    alone: int = Field(ge=0, description="Questions of each slice that are also timed, one at a time.")
    load: LoadBlocks | None = Field(
        default=None,
        description="Answer the questions under load, so many at once, and in no other way; `alone` is 0 then.",
    )

    @model_validator(mode="after")
    def _one_purpose(self) -> Self:
        if self.load and self.alone:
            raise ValueError(f"a suite with load is timed under load: alone is {self.alone}, allowed: 0")
        return self


class Run(Spec):
    """Cells of the experiment: targets x drafts x methods x suites. One job answers one target, draft and suite."""

    targets: Names = Field(description="Targets, by their names in `models`.")
    drafts: tuple[Name, ...] = Field(
        default=(NO_DRAFT,),
        description="Drafts, by their names in `models`; `none`, or nothing, for methods without a draft.",
    )
    methods: Names = Field(description="Names in `methods`, or in `sweeps`: all methods of that grid.")
    suites: Names = Field(description="Names in `suites`.")
    trained_with: Name | None = Field(
        default=None, description="The target that the SAPO drafts were trained for; null: the run's own."
    )
    replicate: int = Field(
        default=0,
        ge=0,
        description="Which training of its recipe each SAPO draft is from: 0 is the usual one, others have seeds of "
        "their own.",
    )

    def with_methods(self, grids: Mapping[str, Sequence[str]]) -> Self:
        """The run with the methods of each grid in the place of its name."""
        methods = tuple(each for method in self.methods for each in grids.get(method, (method,)))
        return self.model_copy(update={"methods": methods})
