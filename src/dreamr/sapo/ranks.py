"""What the processes of one training, its ranks, do together. Started alone, a process is all of them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

T = TypeVar("T")
R = TypeVar("R")


def on_first(work: Callable[[Sequence[T]], Sequence[R]], given: Sequence[T]) -> Sequence[R]:
    """`work` once, by the first rank, on what all ranks give, in their order; each gets the results of its own part.

    All ranks give equally many.
    """
    state = PartialState()
    all_given = gather_object(list(given))
    made = [work(all_given) if state.is_main_process else ()]
    broadcast_object_list(made)
    begin = state.process_index * len(given)
    return made[0][begin : begin + len(given)]


def any_rank(told: bool) -> bool:
    """Whether one of the ranks says so."""
    return any(gather_object([told]))
