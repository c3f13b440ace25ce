"""What settings are made of: closed models, kinds of names and numbers, and names with a meaning of their own."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from dreamr import components

# Every name becomes part of a path.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Planned = Literal["train", "quantize", "generate"]  # rules whose time and memory are estimated
PLAIN = "plain"  # a method's draft before SAPO
REFERENCE = "dreamr"  # the method that ablations vary and SAPO trains drafts for
SHOWN = 80  # characters of a wrong value
NO_DRAFT = "none"  # stands in paths and tables where no draft takes part


def _known(kind: components.Kind) -> AfterValidator:
    """Accepts the name of a component of this kind."""

    def known(name: str) -> str:
        kind.find(name)
        return name

    return AfterValidator(known)


def _listed(kind: components.Kind) -> Any:
    """All names of this kind, and modules with a dot, for editors; names are looked up when a schema is written."""
    return Field(json_schema_extra=lambda schema: schema.update(_choices(kind)))


def _choices(kind: components.Kind) -> dict[str, Any]:
    return {"anyOf": [{"enum": kind.names()}, {"pattern": r"\."}]}


ComponentName = Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")]  # with a dot: a module of one's own
LoopName = Annotated[ComponentName, _known(components.LOOPS), _listed(components.LOOPS)]
VerifierName = Annotated[ComponentName, _known(components.VERIFIERS), _listed(components.VERIFIERS)]
AdapterName = Annotated[ComponentName, _known(components.ADAPTERS), _listed(components.ADAPTERS)]


class Spec(BaseModel):
    """A closed, unchangeable model. The descriptions of its fields are what editors show of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def faults(error: ValidationError) -> str:
    """What is wrong, in a line: each key, the words, and the value where it is short."""
    return "; ".join(map(_fault, error.errors()))


def _fault(problem: Any) -> str:
    key = ".".join(map(str, problem["loc"])) or "the whole"
    value = repr(problem["input"])
    found = "" if problem["type"] == "missing" or len(value) > SHOWN else f" (found: {value})"
    words = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"].removeprefix("Value error, ")
    return f"{key}: {words}{found}"
