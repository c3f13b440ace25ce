"""What the processes of one training, its ranks, do together. Started alone, a process is all of them."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from itertools import chain
from typing import Any, TypeVar

from torch import distributed

from dreamr.errors import UserError

T = TypeVar("T")
R = TypeVar("R")

# Ranks wait for the first one: while it loads engines, and while these write and judge a batch.
COLLECTIVE_TIMEOUT_S = 3 * 3600


def on_first(work: Callable[[Sequence[T]], Sequence[R]], given: Sequence[T]) -> Sequence[R]:
    """`work` once, by the first rank, on what all ranks give, in their order; each gets the results of its own part.

    All ranks give equally many. Where the first one fails, all do: it with its error, the others with a word of that.
    """
    if not distributed.is_initialized():
        return work(given)
    first, begin = distributed.get_rank() == 0, distributed.get_rank() * len(given)
    every = _gathered(list(given))
    results: list[Any] = [None]
    try:
        results = [work(every) if first else None]
    finally:
        distributed.broadcast_object_list(results, src=0, group=_meeting())
    if results[0] is None:
        raise UserError("the first rank failed; its own words say why")
    return results[0][begin : begin + len(given)]  # type: ignore[no-any-return]


def any_rank(told: bool) -> bool:
    """Whether one of the ranks says so."""
    return any(_gathered([told])) if distributed.is_initialized() else told


def leave() -> None:
    """Part, at the end: a process that ends while it still listens to others may not end well."""
    if distributed.is_initialized():
        _meeting.cache_clear()
        distributed.destroy_process_group()


def _gathered(given: list[T]) -> list[T]:
    parts: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(parts, given, group=_meeting())
    return list(chain.from_iterable(parts))


@cache
def _meeting() -> Any:
    """Ranks meet on their CPUs: one that waits on its GPU would take that from the engine that writes there."""
    return distributed.new_group(backend="gloo", timeout=timedelta(seconds=COLLECTIVE_TIMEOUT_S))
