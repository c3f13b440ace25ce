"""From configuration files to a checked configuration; what is wrong is named as key, value and what is allowed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from dreamr import components
from dreamr.config import Config
from dreamr.errors import UserError

# Settings by the name that they once had, and where.
RENAMED = {
    ("methods", "rivals"): "target_speculation",
    ("runs", "seed"): "replicate",
    ("suites", "crowds"): "load",
}


def load(tree: dict[str, Any], files: Sequence[Path] = ()) -> Config:
    """Check a merged configuration; stop with every wrong key, its value and what is allowed.

    Modules of a user's own are looked for in the folders of `files`.
    """
    components.look_in(Path(file).parent for file in files)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        lines = (_message(problem) for problem in error.errors())
        raise UserError("The configuration is wrong:\n" + "\n".join(f"  - {line}" for line in lines)) from None


def read(files: Sequence[Path]) -> Config:
    """The checked configuration of YAML files, each laid over those before it, as `snakemake --configfile` does."""
    tree: dict[str, Any] = {}
    for file in files:
        tree = _laid_over(tree, _mapping(Path(file)))
    return load(tree, files)


def _mapping(file: Path) -> dict[str, Any]:
    """The content of a configuration file."""
    if not file.is_file():
        raise UserError(f"{file}: no such configuration file")
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file}: not YAML: {error}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{file}: found {tree!r}, expected keys with values, as in config/config.yaml")
    return tree


def _laid_over(tree: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Mappings merge, all else is replaced."""
    merged = {
        key: _laid_over(tree[key], value) if isinstance(value, dict) and isinstance(tree.get(key), dict) else value
        for key, value in other.items()
    }
    return tree | merged


def _message(problem: Any) -> str:
    """One pydantic problem as key, value and what is allowed."""
    key = ".".join(str(part) for part in problem["loc"]) or "configuration"
    if problem["type"] == "extra_forbidden":
        name = RENAMED.get((problem["loc"][0], problem["loc"][-1]))
        renamed = f"it is called {name} now; " if name else ""
        return f"{key}: unknown key; {renamed}known here: {', '.join(_known_keys(problem['loc']))}"
    value = problem["input"]
    if problem["type"] == "string_type" and isinstance(value, bool | int | float):
        quoted = "YAML reads yes, no, on, off and numbers as other things than words: put it in quotes"
        return f"{key}: found {value!r}, expected a name or a text; {quoted}"
    found = "" if isinstance(value, dict | Config) else f" (found: {value!r})"
    return f"{key}: {problem['msg'].removeprefix('Value error, ')}{found}"


def _known_keys(place: Sequence[str | int]) -> list[str]:
    """The keys that may stand where the last one of `place` does; a name that a user gives leads no deeper."""
    kinds: list[type[BaseModel]] = [Config]
    for key in place[:-1]:
        fields = [kind.model_fields[key] for kind in kinds if key in kind.model_fields]
        tagged = [kind for kind in kinds if any(field.default == key for field in kind.model_fields.values())]
        kinds = [kind for field in fields for kind in _models(field.annotation)] or tagged or kinds
    return sorted({field.alias or name for kind in kinds for name, field in kind.model_fields.items()})


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models within a type such as `dict[str, Model | None]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
