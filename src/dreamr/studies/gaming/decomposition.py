"""A change of acceptance as four addends that sum to it, each from the same sums of steps.

With p the share of right steps, q the share of a kind among the right or the wrong ones, and a the share accepted of a
kind, acceptance is

    A = p R + (1 - p) W    with    R = sum of q a over the kinds of right steps, W = that of wrong ones.

Its change is split twice, each time by the midpoint rule: in a product of two factors each one's change counts at the
mean of the other's two values, which is Shapley's value of two factors. So the addends sum to the change exactly, and
exchange of the sides turns the sign of each. First p against (R, W), then in R and in W the mix q against the
acceptances a:

    correctness   dp (mean R - mean W)
    composition   mean p * sum of dq * mean a over right kinds + mean (1 - p) * that over wrong kinds
    right_steps   mean p * sum of mean q * da over right kinds
    wrong_steps   mean (1 - p) * sum of mean q * da over wrong kinds

A kind that one side lacks has no acceptance there. It is given the other side's, so it counts as composition.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamr.statistics.intervals import LOGIT, Array, Quantity, Scaled

ADDENDS = ("correctness", "composition", "right_steps", "wrong_steps")
RIGHT = {True: "right", False: "wrong"}
Present = NDArray[np.bool_]
EMPTY = 1e-9  # a smaller share of all steps is rounding, left where a sum was taken from a larger one


def column(what: str, right: bool, kind: str) -> str:
    """The column with how many steps of a kind are "verified" or "accepted" in an answer."""
    return f"{what}, {RIGHT[right]}, {kind}"


class Side(NamedTuple):
    """Sums of one side's steps, right then wrong: verified and accepted of each kind; shape (2, kinds, ...)."""

    verified: Array
    accepted: Array

    @classmethod
    def of(cls, sums: Mapping[str, Array], kinds: Sequence[str], suffix: str) -> "Side":
        """Those of the columns with this suffix."""
        return cls(
            *(
                np.array([[sums[column(what, right, kind) + suffix] for kind in kinds] for right in RIGHT])
                for what in ("verified", "accepted")
            )
        )

    @property
    def total(self) -> Array:
        """All verified steps."""
        return np.asarray(self.verified.sum(axis=(0, 1)))

    @property
    def acceptance(self) -> Array:
        """Accepted of all verified."""
        return np.asarray(self.accepted.sum(axis=(0, 1)) / self.total)

    @property
    def correct(self) -> Array:
        """Share of right steps."""
        return np.asarray(self.verified[0].sum(axis=0) / self.total)

    @property
    def there(self) -> Present:
        """Which kinds it has."""
        return self.verified > EMPTY * self.total


def addends(own: Side, other: Side) -> dict[str, Array]:
    """What each brings to the acceptance of `own` against that of `other`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        accepted = _filled(own.accepted / own.verified, other.accepted / other.verified, own.there, other.there)
        classes = [side.there.any(axis=1, keepdims=True) for side in (own, other)]
        mixes = _filled(*(side.verified / side.verified.sum(axis=1, keepdims=True) for side in (own, other)), *classes)
        p, p_other = own.correct, other.correct
    (right, wrong), (right_other, wrong_other) = (
        (mix * rate).sum(axis=1) for mix, rate in zip(mixes, accepted, strict=True)
    )
    mean_p, rate, mix = (p + p_other) / 2, sum(accepted) / 2, sum(mixes) / 2
    shares = np.array([mean_p, 1 - mean_p])
    by_mix = ((mixes[0] - mixes[1]) * rate).sum(axis=1) * shares
    by_rate = (mix * (accepted[0] - accepted[1])).sum(axis=1) * shares
    by_p = (p - p_other) * (right + right_other - wrong - wrong_other) / 2
    return dict(zip(ADDENDS, (by_p, by_mix.sum(axis=0), by_rate[0], by_rate[1]), strict=True))


def _filled(own: Array, other: Array, here: Present, there: Present) -> tuple[Array, Array]:
    """Both, where one is not there with the other's values; 0 where neither is."""
    return np.where(here, own, np.where(there, other, 0.0)), np.where(there, other, np.where(here, own, 0.0))


def addend(name: str, kinds: Sequence[str], own: str = "", other: str = "_other") -> Quantity:
    """One of them as a quantity of column sums; `own` and `other` are the suffixes of the two sides' columns."""
    return lambda sums: addends(Side.of(sums, kinds, own), Side.of(sums, kinds, other))[name]


def acceptance(kinds: Sequence[str], suffix: str = "") -> Quantity:
    """Share of accepted steps of one side."""
    return Scaled(lambda sums: Side.of(sums, kinds, suffix).acceptance, LOGIT)


def correct(kinds: Sequence[str], suffix: str = "") -> Quantity:
    """Share of right steps of one side: what the step oracle accepts."""
    return Scaled(lambda sums: Side.of(sums, kinds, suffix).correct, LOGIT)
