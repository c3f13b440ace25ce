"""How large a model is: as the configuration says, or as a folder on this machine does."""

import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from dreamr.config import Config, LocalModel, Size
from dreamr.errors import UserError

LENGTH = 8  # bytes at the start of a safetensors file, which say how long its header is
BITS = 8


def size_of(config: Config, model: str) -> Size:
    """The size of a model that is not made here from another."""
    if said := config.estimates.models.get(model):
        return said
    spec = config.models[model]
    assert isinstance(spec, LocalModel), "the configuration sees to that"
    return folder_size(Path(spec.path))


@cache
def folder_size(folder: Path) -> Size:
    """The size of the model in a folder: its shape by config.json, parameters and bits by the weights' headers."""
    parameters, stored = map(sum, zip(*_tensors(folder), strict=True))
    file = folder / "config.json"
    whole = json.loads(file.read_text(encoding="utf-8"))
    text = whole.get("text_config", whole)  # of the language model, where there are others
    heads = _number(text, file, "num_attention_heads")
    hidden = _number(text, file, "hidden_size")
    return Size(
        parameters=parameters,
        bits=BITS * stored / parameters,
        layers=_number(text, file, "num_hidden_layers"),
        hidden=hidden,
        kv_heads=text.get("num_key_value_heads") or heads,
        head_dim=text.get("head_dim") or hidden // heads,
    )


def _tensors(folder: Path) -> Iterator[tuple[int, int]]:
    """Numbers and bytes of each tensor in all shards."""
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as weights:
            try:
                header = json.loads(weights.read(int.from_bytes(weights.read(LENGTH), "little")))
            except (ValueError, OverflowError, MemoryError) as error:
                raise UserError(f"{file}: no safetensors file ({error}); is it whole?") from None
        for name, tensor in header.items():
            if name != "__metadata__":
                yield math.prod(tensor["shape"]), tensor["data_offsets"][1] - tensor["data_offsets"][0]


def _number(settings: dict[str, Any], file: Path, key: str) -> int:
    found = settings.get(key)
    if not isinstance(found, int) or found < 1:
        raise UserError(f"{file}: {key} is {found!r}, expected a number from 1; or name the size in estimates.models")
    return found
