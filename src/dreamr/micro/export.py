"""Saving a model of the zoo as the files that transformers and vLLM both read."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file


def save(model: Any, processor: Any, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write weights, configuration, tokenizer, processor and chat template to `folder`."""
    tokenizer = processor.tokenizer
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    own = model.dtype
    model.to(dtype).save_pretrained(folder)
    model.to(own)
    processor.save_pretrained(folder)
    _name_as_engines_do(folder)


def _name_as_engines_do(folder: Path) -> None:
    """What transformers saves and vLLM cannot read: SigLIP's prefix, the experts' axes, one key of the MoE's config."""
    file = folder / "model.safetensors"
    save_file({_engine_name(k): _engine_axes(k, v) for k, v in load_file(file).items()}, file, {"format": "pt"})
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if config["model_type"] == "qwen3_vl_moe":
        config["text_config"]["norm_topk_prob"] = True
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _engine_name(name: str) -> str:
    prefix, _, rest = name.partition("vision_tower.")
    return name if not rest or rest.startswith("vision_model.") else f"{prefix}vision_tower.vision_model.{rest}"


def _engine_axes(name: str, weight: torch.Tensor) -> torch.Tensor:
    expert = name.endswith(("experts.gate_up_proj", "experts.down_proj"))
    return weight.transpose(1, 2).contiguous() if expert else weight.contiguous()
