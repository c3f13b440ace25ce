"""What each loop, verifier and data set's adapter declares of itself, for all parts of the package that ask.

A component is a module, loaded by the name that the configuration gives it:

    dreamr.methods.<loop>         LOOP, a `Loop`, and `answer`
    dreamr.verifiers.<verifier>   VERDICTS, a `Verdicts`, and `verifier`
    dreamr.data.<adapter>         ADAPTER, an `Adapter`, and `questions`

A name with a dot is a module of a user's own, `my_package.my_loop`. It is looked for on Python's path, and behind
that in the folders of the configuration files. These reach jobs by the environment, as `DREAMR_COMPONENTS`.

What lacks its declaration or its function is refused while the configuration is read. A declaration is not part of a
job's digest: what it says of an answer is in the job's specification.
"""

import os
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass as plain_dataclass
from functools import cache
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Literal

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

FOLDERS = "DREAMR_COMPONENTS"  # environment variable: where modules of a user's own are looked for
CLOSED = ConfigDict(extra="forbid")
# Whether a draft's step is right, or its answer; whether its step says what the target's version says.
Judged = Literal["step", "answer", "versions"]


@dataclass(frozen=True, config=CLOSED)
class Loop:
    """What a loop needs and does.

    `settings` and `may_set` are names of optional fields of `config.Method`. Others are looked for in its field `own`.
    """

    label: str  # for people
    draft: bool  # whether a draft takes part
    target_writes: Literal["all steps", "rejected steps", "nothing"]  # of the committed answer, as its cost goes by
    judges: Judged | None = None  # what its verdicts are about; None: it asks for none
    settings: frozenset[str] = frozenset()  # all have to be given, beside those of its verifier
    may_set: frozenset[str] = frozenset()  # may be given
    batched: str | None = None  # loop that writes the same text with the least work, for many questions at once
    lossless: bool = False  # whether its text is what the target alone writes, as with speculation in its engine
    by_token: bool = False  # whether the target checks tokens of the draft: one tokenizer, and greedy sampling

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


@dataclass(frozen=True, config=CLOSED)
class Adapter:
    """How the questions of a data set hang together."""

    per_cluster: int = 1  # questions that share a problem
    repeated: Literal["versions", "rotations"] | None = None  # how they differ
    columns: bool = False  # whether the configuration names its columns; `questions` is told a `rows.Place` then


@dataclass(frozen=True, config=CLOSED)
class Verdicts:
    """What a verifier needs, and what its verdicts are. `settings` are as in `Loop`."""

    judges: Judged | None  # None: it goes by neither, and fits every loop that asks for verdicts
    settings: frozenset[str]
    largest: float = 1.0  # value of a verdict
    by_target: bool = True  # False: the micro world's step oracle answers in the target's place

    def fits(self, asked: Judged) -> bool:
        """Whether such verdicts can be given in a loop that asks about this.

        Who judges steps judges answers by the same request; the oracle knows of single steps alone.
        """
        return self.judges in (None, asked) or (self.judges == "step" and asked == "answer" and self.by_target)


@plain_dataclass(frozen=True)
class Kind:
    """Components of one kind: the package that holds them, and what each has to have."""

    name: str
    package: str
    declaration: str  # its name
    type: type  # of the declaration
    function: str  # its name
    signature: str  # of the function, for people

    def find(self, name: str) -> Any:
        """The declaration of a component; ValueError, with its file and what is allowed, where it cannot be used."""
        module = self.load(name)
        where = f"{name!r}: {module.__file__ or 'a folder without __init__.py'}"
        found = getattr(module, self.declaration, None)
        if not isinstance(found, self.type):
            expected = f"{self.declaration} = {self.type.__name__}(...), as in dreamr.components"
            raise ValueError(f"{where} declares no {self.declaration}; expected: {expected}")
        function = getattr(module, self.function, None)
        if not callable(function) or iscoroutinefunction(function) != self.signature.startswith("async "):
            raise ValueError(f"{where} has no such function: {self.signature}")
        return found

    def names(self) -> list[str]:
        """All components of this package."""
        modules = [one.name for one in iter_modules(import_module(self.package).__path__)]
        return [name for name in modules if isinstance(getattr(self.load(name), self.declaration, None), self.type)]

    def path(self, name: str) -> str:
        """The module's full name."""
        return name if "." in name else f"{self.package}.{name}"

    def load(self, name: str) -> ModuleType:
        """The module of a component; ValueError where there is none, or where it cannot be imported."""
        path = self.path(name)
        sys.path += [str(folder) for folder in folders() if str(folder) not in sys.path]
        try:
            return import_module(path)
        except ModuleNotFoundError as error:
            if f"{path}.".startswith(f"{error.name}."):
                raise ValueError(self._unknown(name)) from None
            raise ValueError(_broken(name, error)) from error
        except Exception as error:  # whatever a module of a user's own raises
            raise ValueError(_broken(name, error)) from error

    def _unknown(self, name: str) -> str:
        """There is no such module."""
        there = f"there are: {', '.join(self.names())}"
        if "." not in name:
            return f"{name!r}: no such {self.name}; {there}; one of your own has a dot: folder.module"
        places = ", ".join(map(str, folders())) or "no configuration file was named"
        return (
            f"{name!r}: no such {self.name}. A name with a dot is a Python module, here {name.replace('.', '/')}.py "
            f"beside a configuration file ({places}) or on Python's path. Without a dot {there}"
        )


def look_in(places: Iterable[Path]) -> None:
    """From now on, in the jobs that this process starts too, modules of a user's own are found in these folders."""
    os.environ[FOLDERS] = os.pathsep.join(dict.fromkeys(str(place.resolve()) for place in places))


def folders() -> list[Path]:
    """Where modules of a user's own are looked for, behind Python's path."""
    return [Path(folder) for folder in os.environ.get(FOLDERS, "").split(os.pathsep) if folder]


def root(module: str) -> Path:
    """The folder from which a user's own module, already loaded, was imported by its full name."""
    file = Path(sys.modules[module].__file__ or "")
    return file.parents[module.count(".") + (file.name == "__init__.py")]


def _broken(name: str, error: Exception) -> str:
    """Why the import of a module failed: its line, and the error in words."""
    if isinstance(error, SyntaxError):
        return f"{name!r}: {error.filename}, line {error.lineno}: cannot be imported (SyntaxError: {error.msg})"
    frames = traceback.extract_tb(error.__traceback__)
    line = next(frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename)
    why = f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError):
        why += "; packages that only the models' environment has are to be imported within functions"
    if isinstance(error, ValidationError):  # of a declaration
        problems = [(one["loc"][-1], one["msg"], f" (found: {one['input']!r})") for one in error.errors()]
        words = [f"{field}: {told}{'' if told == 'Field required' else found}" for field, told, found in problems]
        why = f"{error.title}: {'; '.join(words)}"
    return f"{name!r}: {line.filename}, line {line.lineno}: cannot be imported ({why})"


LOOPS = Kind("loop", "dreamr.methods", "LOOP", Loop, "answer", "async def answer(prompt, engines, method, limits)")
VERIFIERS = Kind("verifier", "dreamr.verifiers", "VERDICTS", Verdicts, "verifier", "def verifier(method)")
ADAPTERS = Kind("adapter", "dreamr.data", "ADAPTER", Adapter, "questions", "def questions(row, number, keep)")


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
