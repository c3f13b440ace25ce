"""The paper's models of full size on the meta device: shapes without values.

Their configurations were written without the hub (tests/data/real_models.yaml).

    python tests/real_models.py kept|handed FOLDER

prints as JSON, by model: what quantization leaves alone (in the quantize environment); what an engine takes of the
weights that a training hands over (in the models environment).
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).resolve().parent / "data"
REAL: dict[str, dict[str, Any]] = yaml.safe_load((DATA / "real_models.yaml").read_text())["models"]


def real_folder(name: str, parent: Path) -> Path:
    """A model folder without weights: its configuration and, where it has one, the model's own code."""
    folder = parent / name
    if code := REAL[name].get("code"):
        shutil.copytree(DATA / code, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
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


def parameters(model: Any) -> int:
    """The number of parameters; a tied head counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def experts(model: Any) -> int:
    """The number of parameters in experts, which `transformers` keeps as one tensor for all of a layer."""
    return sum(one.numel() for name, one in model.named_parameters() if ".experts." in name)


def kept(model: Any) -> dict[str, Any]:
    """What quantization leaves at 16 bits, and which layers outside the language model it would touch."""
    from compressed_tensors.utils import match_named_modules

    from dreamr.models.awq import NOT_QUANTIZED

    layers = dict(match_named_modules(model, ["Linear"], NOT_QUANTIZED))
    packed = sum(layer.weight.numel() for layer in layers.values()) + experts(model)
    outside = [name for name in layers if "language_model" not in name]
    return {"kept": parameters(model) - packed, "outside": outside}


def saved(name: str, model: Any) -> Iterator[tuple[str, Any]]:
    """The weights under the names and with the axes that `models.folders` gives to an engine."""
    from transformers.core_model_loading import revert_weight_conversion

    from dreamr.models import folders

    weights = model.state_dict()
    if "code" not in REAL[name]:
        weights = revert_weight_conversion(model, weights)
    width = model.config.get_text_config().hidden_size
    for key, weight in weights.items():
        yield folders._engine_name(key), folders._engine_axes(key, weight, width)


def handed(name: str, model: Any, folder: Path) -> dict[str, Any]:
    """An engine's own model, on the meta device too, reads the weights of ours. A name or shape that it does not know
    raises; told are the weights that it misses, and its number of parameters."""
    import torch
    from vllm.config import set_current_vllm_config
    from vllm.distributed import ensure_model_parallel_initialized, init_distributed_environment
    from vllm.engine.arg_utils import EngineArgs
    from vllm.model_executor.model_loader.utils import initialize_model

    settings = {"dtype": "bfloat16", "enforce_eager": True, "block_size": 32, "kv_cache_memory_bytes": 1 << 26}
    trusted = "code" in REAL[name]
    arguments = EngineArgs(model=str(folder / name), skip_tokenizer_init=True, trust_remote_code=trusted, **settings)
    configuration = arguments.create_engine_config()
    with set_current_vllm_config(configuration):
        init_distributed_environment(1, 0, f"file://{folder}/meeting", 0, backend="gloo")
        ensure_model_parallel_initialized(1, 1)
        with torch.device("meta"):
            served = initialize_model(configuration)
        loaded = served.load_weights(saved(name, model))
    missed = {name for name, _ in served.named_parameters()} - loaded
    return {"missed": sorted(missed), "parameters": parameters(served)}


def main(what: str, folder: str) -> None:
    os.environ |= {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1"}
    told = {}
    # Groups of processes are made once, and those of experts only for a model that has some.
    for name in sorted(REAL, key=lambda name: "num_experts" not in str(REAL[name])):
        model = on_meta(name, Path(folder))
        told[name] = kept(model) if what == "kept" else handed(name, model, Path(folder))
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
