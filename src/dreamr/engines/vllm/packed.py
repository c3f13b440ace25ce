"""Packed 4-bit weights on a CPU: an engine that has no kernel for them would die with a dump, so it is not started."""

import json
from pathlib import Path

from dreamr.engines.vllm.internals import missing_for_packed
from dreamr.errors import UserError

METHODS = ("awq", "compressed-tensors", "gptq")  # as config.json names them
EXPERTS = ("num_experts", "n_routed_experts", "num_local_experts")  # keys that mixtures of experts have


def refuse_without_kernel(folder: Path, model: str) -> None:
    """UserError where the weights in `folder` are packed and this CPU has no kernel for them."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    method = config.get("quantization_config", {}).get("quant_method")
    if method not in METHODS:
        return
    text = config.get("text_config", config)
    if needed := missing_for_packed(experts=any(text.get(key) for key in EXPERTS)):
        raise UserError(
            f"model {model}: the weights in {folder} are packed ({method}), and vLLM on a CPU needs {needed} for them, "
            "which this processor does not have. Serve plain weights instead: `from: awq` makes a model that on a CPU "
            "holds its 4-bit values as floats"
        )
