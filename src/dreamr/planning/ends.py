"""The ends of a plan: what it takes where every estimate that has three values is at the end that takes less, or more.

Each such estimate is first moved alone, from its low to its high value, with all others in the middle. That tells which
of its ends takes less, and how much of the plan's width is its own. A plan is refused by the middle alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from dreamr.config import Range, Spec
from dreamr.planning.budget import estimates
from dreamr.planning.plan import Plan
from dreamr.planning.restarts import total_seconds
from dreamr.planning.site import HOUR

Key = tuple[str, ...]  # of an estimate: ("devices", "h200", "training_tflops")


@dataclass(frozen=True)
class Moved:
    """An estimate that was moved alone: the plan's hours (`total_hours`) at its low and at its high value."""

    key: Key
    value: Range
    low_hours: float
    high_hours: float

    @property
    def width(self) -> float:
        """By how many hours it changes the plan."""
        return abs(self.high_hours - self.low_hours)

    @property
    def least(self) -> float:
        """The value with which the plan takes less."""
        return self.value.low if self.low_hours <= self.high_hours else self.value.high

    @property
    def most(self) -> float:
        """The value with which it takes more."""
        return self.value.high if self.low_hours <= self.high_hours else self.value.low


class Ends(NamedTuple):
    """A plan at both of its ends, and what moves it, the widest first."""

    least: Plan
    most: Plan
    moved: list[Moved]

    @property
    def plans(self) -> tuple[Plan, Plan]:
        """Where it takes less, and where it takes more."""
        return self.least, self.most


def ends(plan: Plan) -> Ends | None:
    """Both ends of a plan; None where each of its estimates has one value."""
    moved = sorted((_moved(plan, key, value) for key, value in ranges(plan)), key=lambda one: -one.width)
    if not moved:
        return None
    least, most = ({one.key: getattr(one, end) for one in moved} for end in ("least", "most"))
    return Ends(_with_values(plan, least), _with_values(plan, most), moved)


def ranges(plan: Plan) -> Iterator[tuple[Key, Range]]:
    """The estimates with three values that hours or memory depend on: those of the devices in use, and of texts."""
    said = plan.config.estimates
    parts: dict[Key, Spec] = {("devices", name): said.devices[name] for name in said.rules.values()}
    parts["text",] = said.text
    for key, part in parts.items():
        yield from (((*key, name), value) for name, value in part if isinstance(value, Range))


def total_hours(plan: Plan) -> float:
    """Hours of all jobs, restarts included: of their GPUs, or on a CPU one job after the other."""
    on_gpus = plan.config.device == "cuda"
    return sum(total_seconds(plan, job) * (job.gpus if on_gpus else 1) for job in estimates(plan)) / HOUR


def _moved(plan: Plan, key: Key, value: Range) -> Moved:
    low, high = (total_hours(_with_values(plan, {key: end})) for end in (value.low, value.high))
    return Moved(key, value, low, high)


def _with_values(plan: Plan, values: Mapping[Key, float]) -> Plan:
    """The plan with these estimates in the place of its own."""
    config = plan.config
    for key, value in values.items():
        config = _replaced(config, ("estimates", *key), value)
    return replace(plan, config=config)


def _replaced(part: Any, key: Iterable[str], value: float) -> Any:
    """A model or a mapping with another value at this place."""
    name, *rest = key
    inner = part[name] if isinstance(part, Mapping) else getattr(part, name)
    new = {name: _replaced(inner, rest, value) if rest else value}
    return {**part, **new} if isinstance(part, Mapping) else part.model_copy(update=new)
