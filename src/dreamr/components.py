"""What each loop, verifier and data set's adapter declares of itself, for all parts of the package that ask.

A component is a module, loaded by the name that the configuration gives it:

    dreamr.methods.<loop>         LOOP, a `Loop`, and `answer`
    dreamr.verifiers.<verifier>   VERDICTS, a `Verdicts`, and `verifier`
    dreamr.data.<adapter>         ADAPTER, an `Adapter`, and `questions`

A module without its declaration is refused while the configuration is read. A declaration is not part of a job's
digest: what it says of an answer is in the job's specification.
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any, Literal

Judged = Literal["step", "versions"]  # whether a draft's step is right; whether it says what the target's version says


@dataclass(frozen=True)
class Loop:
    """What a loop needs and does. `settings` and `may_set` are names of optional fields of `config.Method`."""

    label: str  # for people
    draft: bool  # whether a draft takes part
    target_writes: Literal["all steps", "rejected steps", "nothing"]  # of the committed answer, as its cost goes by
    judges: Judged | None = None  # what its verdicts are about; None: it asks for none
    settings: frozenset[str] = frozenset()  # all have to be given, beside those of its verifier
    may_set: frozenset[str] = frozenset()  # may be given
    batched: str | None = None  # loop that writes the same text with the least work, for many questions at once

    @property
    def target(self) -> bool:
        """Whether the target takes part."""
        return self.target_writes != "nothing"

    @property
    def ahead(self) -> bool:
        """Whether the draft runs ahead of the committed answer, within a window."""
        return "window" in self.settings

    @property
    def sequential(self) -> bool:
        """Whether both models take part, one request after the other."""
        return self.judges is not None and not self.ahead


@dataclass(frozen=True)
class Adapter:
    """How the questions of a data set hang together."""

    per_cluster: int = 1  # questions that share a problem
    repeated: Literal["versions", "rotations"] | None = None  # how they differ


@dataclass(frozen=True)
class Verdicts:
    """What a verifier needs, and what its verdicts are. `settings` are as in `Loop`."""

    judges: Judged
    settings: frozenset[str]
    largest: float = 1.0  # value of a verdict
    by_target: bool = True  # False: the micro world's step oracle answers in the target's place


@dataclass(frozen=True)
class Kind:
    """Components of one kind: the package that holds them, and the name and type of their declaration."""

    name: str
    package: str
    declaration: str
    type: type

    def find(self, name: str) -> Any:
        """The declaration of a component; ValueError with those that there are where it has none."""
        if find_spec(f"{self.package}.{name}") is None:
            raise ValueError(f"{name!r}: no such {self.name}; there are: {', '.join(self.names())}")
        return self._declared(name)

    def names(self) -> list[str]:
        """All components of this package."""
        modules = [one.name for one in iter_modules(import_module(self.package).__path__)]
        return [name for name in modules if isinstance(self._declaration(name), self.type)]

    def _declared(self, name: str) -> Any:
        found = self._declaration(name)
        if not isinstance(found, self.type):
            raise ValueError(f"{name!r}: {self.package}.{name} declares no {self.declaration}, of {self.type.__name__}")
        return found

    def _declaration(self, name: str) -> Any:
        return getattr(import_module(f"{self.package}.{name}"), self.declaration, None)


LOOPS = Kind("loop", "dreamr.methods", "LOOP", Loop)
VERIFIERS = Kind("verifier", "dreamr.verifiers", "VERDICTS", Verdicts)
ADAPTERS = Kind("adapter", "dreamr.data", "ADAPTER", Adapter)


@cache
def loop(name: str) -> Loop:
    """What a loop declares; ValueError for an unknown one."""
    found: Loop = LOOPS.find(name)
    return found


@cache
def verdicts(verifier: str) -> Verdicts:
    """What a verifier declares; ValueError for an unknown one."""
    found: Verdicts = VERIFIERS.find(verifier)
    return found


@cache
def adapter(name: str) -> Adapter:
    """What an adapter declares; ValueError for an unknown one."""
    found: Adapter = ADAPTERS.find(name)
    return found
