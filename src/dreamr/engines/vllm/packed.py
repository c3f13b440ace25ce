"""Packed 4-bit weights on a CPU: which of them the installed vLLM can multiply there.

vLLM 0.32 offers its kernels for them on every CPU, but has them for AVX-512 (layers) and for AMX (experts) alone (vLLM
issue 55613). An engine without the kernel would die with a dump, so it is not started.
"""

import json
from pathlib import Path

from dreamr.errors import UserError

METHODS = ("awq", "compressed-tensors", "gptq")  # as config.json names them
EXPERTS = ("num_experts", "n_routed_experts", "num_local_experts")  # keys that mixtures of experts have


def refuse_without_kernel(folder: Path, model: str) -> None:
    """UserError where the weights in `folder` are packed and this CPU has no kernel for them."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    method = config.get("quantization_config", {}).get("quant_method")
    needed = _needed(config)
    if method in METHODS and needed:
        raise UserError(
            f"model {model}: the weights in {folder} are packed ({method}), and vLLM on a CPU needs {needed} for them, "
            "which this processor does not have. Serve a build with plain weights instead: `from: awq` makes one on a "
            "CPU, where it writes the 4-bit values as floats"
        )


def _needed(config: dict[str, object]) -> str:
    """The instruction set whose kernel is missing, or nothing."""
    import torch
    import vllm._custom_ops  # noqa: F401 - loads the library that fits this processor

    text = config.get("text_config", config)
    assert isinstance(text, dict)
    if any(text.get(key) for key in EXPERTS) and not torch.cpu._is_amx_tile_supported():
        return "AMX"
    return "" if hasattr(torch.ops._C, "cpu_gemm_wna16") else "AVX-512"
