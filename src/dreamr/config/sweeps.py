"""Sweeps: methods that differ from one in some of its settings, in all combinations of their values."""

import re
from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Annotated, Any

from pydantic import Field, ValidationError

from dreamr.config.base import Name, Spec
from dreamr.config.methods import Method

Setting = Annotated[str, Field(pattern=r"^[a-z_]+$")]
Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class Sweep(Spec):
    """A grid of settings around a method. A run that names the sweep among its methods has all of them."""

    of: Name = Field(description="A name in `methods`: all settings that the sweep does not vary are this method's.")
    vary: dict[Setting, Values] = Field(
        min_length=1,
        description="Settings of the method, each with its values, such as `alpha: [0.5, 0.7]`; settings of a loop's "
        "own by their names.",
    )

    def grid(self, name: str) -> dict[str, dict[str, Any]]:
        """The varied settings of each of its methods, by the method's name; `name` is the sweep's."""
        points = [dict(zip(self.vary, values, strict=True)) for values in product(*self.vary.values())]
        return {_name(name, settings): settings for settings in points}

    def methods(self, name: str, methods: Mapping[str, Method]) -> dict[str, Method]:
        """Its methods by name; ValueError where `of` is unknown or a value cannot be."""
        if self.of not in methods:
            raise ValueError(f"sweeps.{name}.of: unknown name {self.of!r}; allowed: {', '.join(sorted(methods))}")
        known = ({*Method.model_fields} - {"own"}) | {*methods[self.of].own}  # those of `own` by their names
        if unknown := sorted({*self.vary} - known):
            raise ValueError(f"sweeps.{name}.vary: unknown setting {unknown[0]!r}; known: {', '.join(sorted(known))}")
        if len(self.grid(name)) < prod(map(len, self.vary.values())):
            raise ValueError(f"sweeps.{name}.vary: two of its methods would have one name; name each value once")
        base = methods[self.of].model_dump()
        try:
            return {made: Method.model_validate(_varied(base, settings)) for made, settings in self.grid(name).items()}
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, ("sweeps", name, "vary", *problem["loc"])))
            found = f" (found: {problem['input']!r})" if problem["loc"] else ""
            raise ValueError(f"{place}: {problem['msg'].removeprefix('Value error, ')}{found}") from None


def _varied(base: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A method's settings with other values; those of a loop of one's own stand in `own`."""
    own = {key: value for key, value in settings.items() if key in base["own"]}
    others = {key: value for key, value in settings.items() if key not in own}
    return {**base, **others, "own": base["own"] | own}


def _name(sweep: str, settings: Mapping[str, Any]) -> str:
    """`grid_alpha_0-5_window_2`; a name holds no dot."""
    return "_".join([sweep, *(f"{key}_{_text(value)}" for key, value in settings.items())])


def _text(value: Any) -> str:
    """A value as part of a name: 0.5 is 0-5, and -0.5 is minus0-5."""
    if isinstance(value, list | tuple):
        return "-".join(map(_text, value))
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"^-", "minus", str(value).lower())).strip("-")


def with_sweeps(sweeps: Mapping[str, Sweep], methods: Mapping[str, Method]) -> dict[str, Method]:
    """The methods and those of all sweeps; ValueError where two of different settings have one name."""
    whole = dict(methods)
    for name, sweep in sweeps.items():
        if name in methods:
            raise ValueError(f"sweeps.{name}: a method has this name already; rename one of the two")
        for made, method in sweep.methods(name, methods).items():
            if whole.setdefault(made, method) != method:
                raise ValueError(f"sweeps.{name}: makes a method {made!r}, and another has this name; rename one")
    return whole
