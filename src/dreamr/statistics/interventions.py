"""Which methods are another with one possible cause of its distance to the target taken away."""

from collections.abc import Mapping
from typing import NamedTuple

from dreamr.config import Method
from dreamr.statistics.frame import BASELINE

USUAL = {"budget": 1, "answers": None}


class Intervention(NamedTuple):
    """`method` is `without` but for the intervention that `kind` names; `target_alone` the method to hold it to."""

    method: str
    without: str
    kind: str
    target_alone: str


def intervened(methods: Mapping[str, Method]) -> list[Intervention]:
    """All interventions whose method stands in the configuration without them as well, and so does their target."""
    usual = {method: name for name, method in methods.items() if _usual(method) == method}
    changed = {name: method for name, method in methods.items() if _usual(method) in usual and method not in usual}
    # Not one of other settings, such as the target on two threads.
    targets = {method.budget: name for name, method in methods.items() if method == _target(method.budget)}
    return [
        Intervention(name, usual[_usual(method)], _kind(method), targets[method.budget])
        for name, method in changed.items()
        if method.budget in targets
    ]


def _target(budget: int) -> Method:
    """The target by itself, with no setting but the budget."""
    return Method(loop=BASELINE, budget=budget)


def _usual(method: Method) -> Method:
    return method.model_copy(update=USUAL)


def _kind(method: Method) -> str:
    budget = [f"{method.budget} x budget"] if method.budget > 1 else []
    return ", ".join([*budget, *(["target answers"] if method.answers else [])])
