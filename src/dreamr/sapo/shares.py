"""A draft, or the plain one beside it, in shares: each rank holds one, and gathers a layer's weights to compute it.

FSDP2 as transformers and accelerate bring it. Here is what they leave to the caller for models of all families. Written
for torch 2.13, transformers 5.17, accelerate 1.15 and TRL 1.16.
"""

from typing import Any

from accelerate import Accelerator
from accelerate.utils.fsdp_utils import fsdp2_prepare_model
from torch import nn
from torch.distributed.fsdp import FSDPModule

from dreamr.errors import UserError
from dreamr.models.loading import vision_tower


def share_settings(model: Any) -> dict[str, Any]:
    """The settings of transformers' trainer for `model` in shares of its layers.

    Each layer computes its activations twice, to save their memory. Gradients are averaged behind each pass: until then
    each rank holds them whole.
    """
    layers = {"transformer_layer_cls_to_wrap": layer_classes(model)}
    return {
        "fsdp": True,
        "fsdp_config": {"version": 2, "activation_checkpointing": True, **layers},
        "gradient_checkpointing": False,
        "accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": True}},
    }


def layer_classes(model: Any) -> list[str]:
    """The classes of the layers that the decoder and the vision tower repeat.

    accelerate would take `_no_split_modules`, which a model with code of its own may lack, and which names classes that
    LLaVA-OneVision's models have not (those of SigLIP's text model). UserError where a part repeats nothing.
    """
    seeing = set(vision_tower(model).modules())
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    inside = {module for stack in lists for layer in stack for module in layer.modules()}  # such as experts of a layer
    stacks = [stack for stack in lists if stack not in inside]
    parts = {"vision tower": [stack for stack in stacks if stack in seeing]}
    parts["decoder"] = [stack for stack in stacks if stack not in seeing]
    for part, found in parts.items():
        if not found:
            raise UserError(f"{type(model).__name__}: its {part} has no list of layers, by which ranks could share it")
    longest = [max(found, key=len) for found in parts.values()]
    return sorted({type(layer).__name__ for stack in longest for layer in stack})


def gather_head(model: Any) -> None:
    """Have `model` gather its LM head in each pass, before or after it is put in shares.

    TRL computes log-probabilities from the head's weight without calling the head. FSDP2, which acts on calls, neither
    gathers a head that is a unit of its own (an untied one) nor averages its gradient over the ranks.
    """

    def gather(module: Any, *_: Any) -> None:
        head = module.get_output_embeddings()
        if isinstance(head, FSDPModule):
            head.unshard()

    model.register_forward_pre_hook(gather)


def share(reference: Any, accelerator: Accelerator) -> Any:
    """Put a model that is not trained in shares, layer by layer. Behind a pass each rank holds its share alone."""

    def release(module: Any, *_: Any) -> None:
        for unit in module.modules():
            if isinstance(unit, FSDPModule):
                unit.reshard()

    gather_head(reference)
    shared = fsdp2_prepare_model(accelerator, reference)
    shared.register_forward_hook(release)
    return shared
