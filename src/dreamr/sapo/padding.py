"""Less padding in a training: TRL pads all completions of a batch to the longest one, its passes take a few of them.

Written for TRL 1.16, which has no setting for either, and packs completions in other trainers alone.
"""

from collections.abc import Mapping
from functools import wraps
from typing import Any

import torch
from torch.nn.functional import pad

COLUMNS = ("input_ids", "attention_mask", "labels", "token_type_ids", "mm_token_type_ids")  # (rows, tokens) each


def cut_padding(model: Any) -> None:
    """Have a `model` with TRL's fused LM head leave out the columns that are padding in every row of a pass.

    Prompts are padded on the left, completions on the right. What it returns is as wide as it was, with zeros there.
    """
    forward = model.forward

    @wraps(forward)
    def narrow(*inputs: Any, fused_lm_head: bool = False, **named: Any) -> Any:
        if not fused_lm_head:
            return forward(*inputs, **named)
        written = named["attention_mask"].any(dim=0).nonzero()
        first, end, width = int(written[0]), int(written[-1]) + 1, named["attention_mask"].shape[1]
        cut = {name: named[name][:, first:end] for name in COLUMNS if name in named}
        outputs = forward(*inputs, fused_lm_head=True, **named | cut)
        for name in {"log_probs", "entropy"} & outputs.keys():  # of a reference model there is no entropy
            outputs[name] = pad(outputs[name], (first, width - end))
        return outputs

    model.forward = narrow


def longest_first(batch: Mapping[str, Any]) -> dict[str, Any]:
    """TRL's batch with its rows by length, so that those of a pass are much alike, as are those of other ranks then.

    The gradient of a batch goes by none of that: each completion counts as much in any pass. A lack of memory shows at
    once, not after hours.
    """
    order = (batch["prompt_mask"].sum(1) + batch["completion_mask"].sum(1)).argsort(descending=True, stable=True)

    def sort(rows: Any) -> Any:
        if isinstance(rows, torch.Tensor):
            return rows[order] if rows.ndim else rows
        return rows and [rows[place] for place in order.tolist()]

    return {name: sort(rows) for name, rows in batch.items()}
