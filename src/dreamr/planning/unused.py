"""What a configuration defines and no run asks for: most often a name that was forgotten in a list."""

from collections.abc import Mapping
from typing import Any

import yaml

from dreamr.config import Config
from dreamr.provenance import SOURCES

BASE = SOURCES.parent / "config/config.yaml"  # an overlay may well leave out some of what it defines


def unused(config: Config) -> list[str]:
    """One line with all such names; none where there are none."""
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
