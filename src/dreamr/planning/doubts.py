"""What is allowed in a configuration and may not be meant: names that no run asks for, a folder that is not here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dreamr.config import Config
from dreamr.provenance import SOURCES

BASE = SOURCES.parent / "config/config.yaml"  # an overlay may well leave out some of what it defines


def doubts(config: Config) -> list[str]:
    """A line for each doubt."""
    return [*unused(config), *not_here(config), *never_alone(config)]


def never_alone(config: Config) -> list[str]:
    """Targets that answer nothing by themselves, so that nothing is held against them."""
    runs = config.runs.values()
    alone = {target for run in runs for target in run.targets if "target_only" in run.methods}
    others = sorted({target for run in runs for target in run.targets} - alone)
    words = "No run asks these targets by method target_only, so no accuracy against them is known: "
    return [f"{words}{', '.join(others)}. Name them in runs.baseline.targets."] if others else []


def not_here(config: Config) -> list[str]:
    """Data sets of the hub whose owner is a folder on this machine."""
    paths = {f"benchmarks.{name}.path": config.benchmarks[name] for name in config.asked}
    hub = {key: data.path for key, data in paths.items() if not (data.is_local or "/" not in data.path)}
    return [
        f"{key}: {path!r} is no file or folder here, so it is taken for a data set of the hub."
        for key, path in hub.items()
        if Path(path).parent.is_dir()
    ]


def unused(config: Config) -> list[str]:
    """One line with all that is defined and asked for by no run; none where there is nothing."""
    base = yaml.safe_load(BASE.read_text(encoding="utf-8"))
    found = {kind: sorted(names - _names(base, kind)) for kind, names in _unused(config).items()}
    words = [f"{kind}: {', '.join(names)}" for kind, names in found.items() if names]
    return [f"Defined, but asked for by no run, and so not computed: {'; '.join(words)}."] if words else []


def _unused(config: Config) -> dict[str, set[str]]:
    """By part of the configuration."""
    runs = config.runs.values()
    methods = {name for run in runs for name in run.methods}
    models = {name for run in runs for name in (*run.targets, *run.drafts)}
    models |= {model.base for name, model in config.models.items() if model.maker == "awq" and name in models}
    return {
        "methods": {*config.methods} - methods,
        "sapo.recipes": {*config.sapo.recipes} - {config.methods[name].draft for name in methods},
        "models": {*config.models} - models - {run.trained_with for run in runs},
        "suites": {*config.suites} - {name for run in runs for name in run.suites},
        "benchmarks": {*config.benchmarks} - {*config.asked},
    }


def _names(tree: Mapping[str, Any], kind: str) -> set[str]:
    for key in kind.split("."):
        tree = tree[key]
    return {*tree}
