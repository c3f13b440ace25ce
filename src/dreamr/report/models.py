"""What the models of a run are, so that a name on the page says something."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dreamr.config import NO_DRAFT, Config
from dreamr.planning.names import model_names
from dreamr.planning.sizes import size_of

CONFIG = "config.json"  # beside a model's card.json


def models(config: Config, cards: Iterable[Path]) -> list[dict[str, Any]]:
    """Each target and plain draft of the runs: names, part, size and so on; in words, `about`."""
    files = {card.parent.name: card.with_name(CONFIG) for card in cards}
    parts = {name: "draft" for run in config.runs.values() for name in run.drafts if name != NO_DRAFT}
    parts |= {name: "target" for run in config.runs.values() for name in run.targets}
    called = model_names(config)
    ordered = sorted(parts.items(), key=lambda one: (one[1] == "draft", one[0]))
    return [_facts(config, name, called[name], part, family(files[name])) for name, part in ordered]


def family(path: Path) -> str:
    """The architecture that a model's configuration names: "Qwen3VL"."""
    (name,) = json.loads(path.read_text(encoding="utf-8"))["architectures"]
    return str(name).removesuffix("ForConditionalGeneration")


def _facts(config: Config, name: str, called: str, part: str, named: str) -> dict[str, Any]:
    """One model's row; what is quantized here has the size of its base."""
    model = config.models[name]
    whole = model.base if model.maker == "awq" else name
    size = size_of(config, whole)
    weights = "4 bits (AWQ)" if model.maker == "awq" else f"{size.bits:g} bits"
    active = f" ({count(size.active)} active)" if size.active else ""
    paper = config.stands_for.get(whole)
    description = f"{named}, {size.layers} layers, {count(size.parameters)} parameters{active}, {weights}"
    return {
        "name": name,
        "called": called,
        "part": part,
        "family": named,
        "layers": size.layers,
        "parameters": count(size.parameters) + active,
        "weights": weights,
        "stands_for": paper,
        "about": f"{name}: {description}" + (f"; stands for {paper}" if paper else ""),
    }


def count(number: float) -> str:
    """ "4.0 million", "32 billion"."""
    power, word = (1e9, "billion") if number >= 1e9 else (1e6, "million")
    return f"{number / power:.{0 if number >= 10 * power else 1}f} {word}"
