"""Saving a model of the zoo as the files that transformers and vLLM both read."""

import json
from pathlib import Path
from typing import Any

import torch

from dreamr.models.folders import name_as_engines_do


def save(model: Any, processor: Any, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write weights, configuration, tokenizer, processor and chat template to `folder`."""
    tokenizer = processor.tokenizer
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    own = model.dtype
    model.to(dtype).save_pretrained(folder)
    model.to(own)
    processor.save_pretrained(folder)
    name_as_engines_do(model, folder)
    _complete_settings(folder)


def _complete_settings(folder: Path) -> None:
    """What the mixture's configuration lacks for vLLM: that the router's weights are normalized over its choices."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if config["model_type"] == "qwen3_vl_moe":
        config["text_config"]["norm_topk_prob"] = True
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
