"""What a rank of a training of config/paper.yaml holds on its GPU, by model. It takes neither a GPU nor the memory.

    PYTHONPATH=src environments/models/bin/python tests/fsdp_memory.py qwen3-vl-2b qwen3-vl-4b r-4b mimo-vl-7b-rl

The model has its configuration of tests/data/real_models.yaml and fake tensors, and is put in shares as the trainer
does it, for a group of ranks of which this process is one. torch's tracker counts what an update allocates. Told are
GB: what is held all the time, the most at once, and the difference. Images count as tokens: the frozen vision tower is
held, and sees nothing.
"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from real_models import REAL, real_folder

GB = 1e9
RANKS, ROWS, TOKENS = 4, 4, 9092  # a micro-batch of prompts of 900 tokens and answers of 8,192


def ranks_of(number: int) -> Any:
    """The mesh of so many ranks, of which this process is one, and the only one that there is."""
    from torch.distributed import init_process_group, is_initialized
    from torch.distributed.device_mesh import init_device_mesh
    from torch.testing._internal.distributed.fake_pg import FakeStore

    if not is_initialized():
        init_process_group("fake", store=FakeStore(), rank=0, world_size=number)
    return init_device_mesh("cpu", (number,), mesh_dim_names=("ranks",))


def in_group(model: Any, mesh: Any) -> Any:
    """What accelerate's functions ask of the accelerator of a trainer on GPUs."""
    import torch
    from accelerate import FullyShardedDataParallelPlugin

    from dreamr.sapo.shares import share_settings

    settings = share_settings(model)["fsdp_config"]
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=settings["version"],
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=settings["transformer_layer_cls_to_wrap"],
        activation_checkpointing=settings["activation_checkpointing"],
        cpu_ram_efficient_loading=False,
    )
    plugin.set_mixed_precision("bf16")
    return SimpleNamespace(
        state=SimpleNamespace(fsdp_plugin=plugin),
        torch_device_mesh=mesh,
        parallelism_config=SimpleNamespace(fsdp_dim_names=mesh.mesh_dim_names),
        mixed_precision="bf16",
        is_main_process=False,
        device=torch.device("cpu"),
    )


def built(name: str, folder: Path) -> Any:
    """The model `name` in 32 bits as the trainer loads it, with TRL's head."""
    import torch
    from transformers import AutoConfig
    from transformers.initialization import no_init_weights
    from trl.trainer.utils import add_fused_lm_head

    from dreamr.models.loading import auto_class, bring_up_to_date, vision_tower

    trusted = "code" in REAL[name]
    if trusted:
        bring_up_to_date(auto_class(folder, trusted), folder)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=trusted)
    with no_init_weights():  # some of SigLIP's are drawn by numbers that fake tensors do not have
        model = auto_class(folder, trusted).from_config(config, trust_remote_code=trusted, dtype=torch.float32)
    model.tie_weights()  # which is part of the drawing
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    vision_tower(model).requires_grad_(False)
    return model


def with_moments(draft: Any) -> Any:
    """The optimizer of a draft in shares that has been updated once."""
    import torch

    trained = [one for one in draft.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, fused=True)
    for one in trained:
        one.grad = torch.zeros_like(one)
    optimizer.step()
    return optimizer


def bytes_held(draft: Any, reference: Any, optimizer: Any) -> int:
    """Of this rank: its shares of both models, of gradients and of Adam's moments."""
    tensors = [*draft.parameters(), *reference.parameters(), *(one.grad for one in draft.parameters())]
    tensors += [value for moments in optimizer.state.values() for value in moments.values()]
    local = [getattr(one, "_local_tensor", one) for one in tensors if one is not None]
    return sum(one.numel() * one.element_size() for one in local)


def log_probs(model: Any, rows: int, tokens: int) -> Any:
    """A pass over `rows` of `tokens`, as the trainer asks for it."""
    import torch

    ids = torch.ones(rows, tokens, dtype=torch.long)
    with torch.autocast("cpu", torch.bfloat16):
        return model(input_ids=ids, attention_mask=ids, labels=ids, fused_lm_head=True).log_probs


def known(draft: Any, tracker: Any) -> None:
    """Let torch's tracker know what it would only learn of modules that a pass calls: not the head, nor the tower."""
    import torch
    from torch.distributed._tools.fsdp2_mem_tracker import _FSDPModMemStats
    from torch.distributed.fsdp import FSDPModule

    from dreamr.models.loading import vision_tower

    with torch.no_grad():
        log_probs(draft, 1, 8)
    for unit in (draft.get_output_embeddings(), *vision_tower(draft).modules()):
        if isinstance(unit, FSDPModule):
            unit.unshard()
            unit.reshard()
            tracker.memory_tracking[unit] = _FSDPModMemStats("not called")


def memory(name: str, ranks: int = RANKS, rows: int = ROWS, tokens: int = TOKENS) -> dict[str, float]:
    """GB on a rank's GPU: held between updates, the most in an update of one pass, and what that adds."""
    from accelerate.utils.fsdp_utils import fsdp2_apply_ac, fsdp2_prepare_model
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker

    from dreamr.sapo.shares import gather_head, share

    mesh = ranks_of(ranks)
    with TemporaryDirectory() as folder, FakeTensorMode():
        draft, reference = (built(name, real_folder(name, Path(folder))) for _ in range(2))
        group = in_group(draft, mesh)
        gather_head(draft)
        draft = fsdp2_prepare_model(group, fsdp2_apply_ac(group, draft))
        reference = share(reference.eval(), group)
        optimizer = with_moments(draft)
        held = bytes_held(draft, reference, optimizer)
        tracker = FSDPMemTracker(draft, optimizer)
        known(draft, tracker)
        with tracker:
            begun = total(tracker, "current")
            log_probs(draft, rows, tokens).mean().backward()
            optimizer.step()
        added = total(tracker, "peak") - begun
    return {"held": held / GB, "peak": (held + added) / GB, "added": added / GB}


def total(tracker: Any, state: str) -> int:
    """Bytes that a tracker has counted."""
    snapshot = tracker.get_tracker_snapshot(state)
    return int(sum(kinds["Total"] for kinds in snapshot.values()))


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("models", nargs="+", choices=sorted(REAL))
    for option, default in {"ranks": RANKS, "rows": ROWS, "tokens": TOKENS}.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    given = vars(parser.parse_args())
    for name in given.pop("models"):
        sys.stdout.write(json.dumps({name: memory(name, **given)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
