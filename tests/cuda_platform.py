"""What vLLM chooses on GPUs, asked on a machine without any.

    python tests/cuda_platform.py ENGINES.json 9.0    # a list of `chosen`'s arguments; the answers are JSON

vLLM's Python decides by its platform, which is made to be CUDA here. Its compiled libraries for GPUs are empty modules,
and nothing computes. The package for CPUs has the same Python but for three files, none of which takes part: the
version, the search for a platform, a stand-in for Triton. Models are built on the meta device, with one GPU's share.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from dreamr.config import ImageSize, ModelRef, Sampling
from dreamr.engines.vllm import internals
from dreamr.engines.vllm.launch import Ngram, engine_arguments, environment

EMPTY = ("_C_stable_libtorch", "_moe_C_stable_libtorch", "vllm_flash_attn._vllm_fa2_C", "vllm_flash_attn._vllm_fa3_C")
GPUS, BYTES, PROCESSORS = 8, 80 << 30, 132


def pretend(major: int, minor: int) -> None:
    """Have vLLM find a machine of GPUs of this capability. To be called before anything of vLLM is imported."""
    import vllm.platforms

    sys.modules.update({f"vllm.{name}": ModuleType(name) for name in EMPTY})
    from vllm.platforms.cpu import CpuPlatform
    from vllm.platforms.cuda import CudaPlatformBase
    from vllm.platforms.interface import DeviceCapability

    class Pretended(CudaPlatformBase):
        get_device_capability = classmethod(lambda cls, device_id=0: DeviceCapability(major, minor))
        get_device_total_memory = classmethod(lambda cls, device_id=0: BYTES)
        device_count = classmethod(lambda cls: GPUS)
        num_compute_units = classmethod(lambda cls, device_id=0: PROCESSORS)
        import_kernels = CpuPlatform.import_kernels  # for the names of those that both have

    vllm.platforms._current_platform = Pretended()
    from vllm import _custom_ops

    for name in dir(_custom_ops):  # asked at import, of formats that no model here has
        if name.startswith("cutlass_") and "support" in name:
            setattr(_custom_ops, name, lambda *_: False)


def chosen(
    folder: str, model: dict[str, Any], settings: dict[str, Any], ngram: list[int] | None, others: dict[str, Any]
) -> dict[str, Any]:
    """What vLLM makes of the arguments that this project starts an engine with."""
    shared = SimpleNamespace(
        generation=Sampling.model_validate(settings["generation"]),
        images=ImageSize.model_validate(settings["images"]),
        context_tokens=settings["context_tokens"],
        device="cuda",
    )
    ref = ModelRef.model_validate(model)
    arguments = engine_arguments(folder, ref, shared, Ngram(*ngram) if ngram else None)
    made = internals.configuration({**arguments, **others})
    return configured(made) | built(made)


def configured(made: Any) -> dict[str, Any]:
    """Of vLLM's configuration what matters here."""
    model, parallel, scheduler = made.model_config, made.parallel_config, made.scheduler_config
    return {
        "executor": parallel.distributed_executor_backend,
        "worker": parallel.worker_cls,
        "tensor_parallel": parallel.tensor_parallel_size,
        "tokens": [scheduler.max_num_batched_tokens, model.max_model_len, scheduler.max_num_seqs],
        "asynchronous": scheduler.async_scheduling,
        "second_runner": made.use_v2_model_runner,
        "dtype": str(model.dtype),
        "memory": made.cache_config.gpu_memory_utilization,
        "prefixes": made.cache_config.enable_prefix_caching,
        "graphs": made.compilation_config.cudagraph_mode.name,
    }


def built(made: Any) -> dict[str, Any]:
    """The sampler, and how many layers compute by what."""
    import torch
    from vllm.config import CompilationMode, set_current_vllm_config
    from vllm.model_executor.model_loader.utils import initialize_model
    from vllm.utils.torch_utils import set_default_torch_dtype
    from vllm.v1.sample.sampler import Sampler

    made.compilation_config.mode = CompilationMode.NONE  # its passes look up kernels that only GPUs have
    with set_current_vllm_config(made), first_of(made.parallel_config.tensor_parallel_size):
        sampler = Sampler(logprobs_mode=made.model_config.logprobs_mode).topk_topp_sampler
        with torch.device("meta"), set_default_torch_dtype(made.model_config.dtype):
            model = initialize_model(made)
        layers = Counter(kind for name, layer in model.named_modules() for kind in kinds(name, layer))
    return {"sampler": sampler.forward.__name__, "layers": layers}


def kinds(name: str, layer: Any) -> list[str]:
    """What a layer computes by, and which other kernels could."""
    from vllm.model_executor.layers.attention import Attention, MMEncoderAttention
    from vllm.model_executor.layers.fused_moe import RoutedExperts
    from vllm.model_executor.layers.linear import LinearBase

    if isinstance(layer, Attention):
        return [f"attention {layer.attn_backend.get_name()}"]
    if isinstance(layer, MMEncoderAttention):
        return [f"attention to images {layer.attn_backend.name}"]
    if isinstance(layer, RoutedExperts):
        backend = getattr(layer.quant_method, "wna16_moe_backend", None)
        return [f"experts {backend.name if backend else type(layer.quant_method).__name__}"]
    if isinstance(layer, LinearBase):
        return linear(layer, of_images="visual" in name or "vision_tower" in name)
    return []


def linear(layer: Any, of_images: bool) -> list[str]:
    from vllm.model_executor.kernels.linear import MacheteLinearKernel, MarlinLinearKernel
    from vllm.model_executor.layers.quantization.utils.marlin_utils import marlin_padded_nk

    kernel = getattr(getattr(layer, "scheme", None) or layer.quant_method, "kernel", None)
    if kernel is None:
        return [f"plain {'of images' if of_images else 'of text'}"]
    (inputs, outputs), group = kernel.config.partition_weight_shape, kernel.config.group_size
    able = [one.__name__ for one in (MacheteLinearKernel, MarlinLinearKernel) if one.can_implement(kernel.config)[0]]
    padded = marlin_padded_nk(outputs, inputs, group) != (outputs, inputs)
    return [f"by {type(kernel).__name__}", *(f"for {one}" for one in able), *(["padded"] if padded else [])]


@contextmanager
def first_of(count: int) -> Iterator[None]:
    """The place of the first of so many GPUs; the others are never asked."""
    from vllm.distributed import parallel_state

    def group(size: int) -> SimpleNamespace:
        own = {"rank": 0, "rank_in_group": 0, "local_rank": 0, "is_first_rank": True, "is_last_rank": True}
        process_group = SimpleNamespace(size=lambda: size, rank=lambda: 0)
        return SimpleNamespace(world_size=size, ranks=[*range(size)], device_group=process_group, **own)

    shared = dict.fromkeys(("_WORLD", "_TP", "_EP"), count) | dict.fromkeys(("_PP", "_DP", "_PCP", "_DCP"), 1)
    for name, size in shared.items():
        setattr(parallel_state, name, group(size))
    yield
    for name in shared:
        setattr(parallel_state, name, None)


def main(engines: Path, capability: str) -> None:
    os.environ.update(environment("cuda"))
    pretend(*map(int, capability.split(".")))
    print(json.dumps([chosen(**one) for one in json.loads(engines.read_text())]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
