"""The paper's models of full size, as their published configurations say, on the meta device: shapes without values."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).resolve().parent / "data"
REAL: dict[str, dict[str, Any]] = yaml.safe_load((DATA / "real_models.yaml").read_text())["models"]


def real_folder(name: str, parent: Path) -> Path:
    """A model folder without weights: the published configuration and, where it has one, the model's own code."""
    folder = parent / name
    if code := REAL[name].get("code"):
        shutil.copytree(DATA / code, folder, ignore=shutil.ignore_patterns("__pycache__"))
    folder.mkdir(exist_ok=True)
    maps = {"AutoConfig": "configuration_r.RConfig", "AutoModel": "modeling_r.RForConditionalGeneration"}
    config = REAL[name]["config"] | ({"auto_map": maps} if code else {})
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    return folder


def on_meta(name: str, parent: Path) -> Any:
    """The model, built as `models.loading` builds it; its tensors have shapes and no values."""
    import torch
    from transformers import AutoConfig

    from dreamr.models.loading import auto_class

    trusted = "code" in REAL[name]
    folder = real_folder(name, parent)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=trusted)
    with torch.device("meta"):
        return auto_class(folder, trusted).from_config(config, trust_remote_code=trusted)
