"""Deeper and wider models that compute what a trained one does: silent copies of blocks, experts as copies of MLPs."""

from typing import Any

import torch

EXPERTS, ACTIVE = 4, 2
SILENT = ("self_attn.o_proj.weight", "mlp.down_proj.weight")
PREFIX = "model.language_model.layers."


def deepened(weights: dict[str, torch.Tensor], layers: int, noise: float) -> dict[str, torch.Tensor]:
    """State of a model of `layers` blocks: each block is followed by copies whose output projections are noise.

    With `noise` 0 the function is exactly the same; a little noise gives every weight a norm, which quantization needs.
    """
    own = {name: weight for name, weight in weights.items() if not name.startswith(PREFIX)}
    depth = _depth(weights)
    repeat = layers // depth
    assert repeat * depth == layers, f"{layers} layers are no multiple of {depth}"
    for name, weight in weights.items():
        if name.startswith(PREFIX):
            block, _, rest = name[len(PREFIX) :].partition(".")
            for copy in range(repeat):
                silent = copy > 0 and rest in SILENT
                own[f"{PREFIX}{int(block) * repeat + copy}.{rest}"] = (
                    torch.randn_like(weight) * noise if silent else weight.clone()
                )
    return own


def extended(weights: dict[str, torch.Tensor], noise: float) -> dict[str, torch.Tensor]:
    """State of a model twice as deep: behind all blocks come copies of them whose output projections are noise.

    What the model would say next then stands before the new blocks, which can compare it with what was said.
    """
    depth = _depth(weights)
    own = dict(weights)
    for name, weight in weights.items():
        if name.startswith(PREFIX):
            block, _, rest = name[len(PREFIX) :].partition(".")
            copy = torch.randn_like(weight) * noise if rest in SILENT else weight.clone()
            own[f"{PREFIX}{int(block) + depth}.{rest}"] = copy
    return own


def _depth(weights: dict[str, torch.Tensor]) -> int:
    return 1 + max(int(name[len(PREFIX) :].split(".")[0]) for name in weights if name.startswith(PREFIX))


def with_experts(weights: dict[str, torch.Tensor], noise: float) -> dict[str, torch.Tensor]:
    """State of a mixture of experts: each expert is the dense MLP plus `noise` of its spread, the routers are random.

    The weights of the active experts sum to 1, so that without noise the function is the dense one's.
    """
    own = {name: weight for name, weight in weights.items() if ".mlp." not in name or not name.startswith(PREFIX)}
    for name, gate in weights.items():
        if name.startswith(PREFIX) and name.endswith("mlp.gate_proj.weight"):
            stem = name.removesuffix("gate_proj.weight")
            up, down = weights[stem + "up_proj.weight"], weights[stem + "down_proj.weight"]
            own[stem + "experts.gate_up_proj"] = _copies(torch.cat([gate, up]), noise)
            own[stem + "experts.down_proj"] = _copies(down, noise)
            own[stem + "gate.weight"] = torch.randn(EXPERTS, gate.shape[1]) * 0.02
    return own


def _copies(weight: torch.Tensor, noise: float) -> torch.Tensor:
    copies = weight.expand(EXPERTS, *weight.shape)
    return copies + noise * weight.std() * torch.randn(copies.shape)


def mixture(tokenizer: Any, layers: int) -> Any:
    """A Qwen3-VL mixture of experts with random weights."""
    from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

    from zoo.families import HIDDEN, qwen3_rope, qwen3_vision, qwen_ids, text_config

    text = text_config(tokenizer, layers) | {
        "rope_parameters": qwen3_rope(),
        "moe_intermediate_size": 2 * HIDDEN,
        "num_experts": EXPERTS,
        "num_experts_per_tok": ACTIVE,
        "decoder_sparse_step": 1,
        "tie_word_embeddings": True,
    }
    config = Qwen3VLMoeConfig(text_config=text, vision_config=qwen3_vision(), **qwen_ids(tokenizer))
    return Qwen3VLMoeForConditionalGeneration(config)
