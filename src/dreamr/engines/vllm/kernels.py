"""On a CPU: norms and rotary positions by vLLM's own kernels, for the one version that this was tested with.

vLLM 0.32 computes both with small operators of PyTorch on a CPU, though its library has a kernel for each: the rotary
positions of images (MRoPE) alone take 66 operators a layer, most of which compute again what the layer before has
computed. In a small model they are half of the time of a step. What is registered here takes vLLM's place for them
(`CustomOp.register_oot`, which vLLM offers for this), in each process that imports this module.
"""

from typing import Any

import torch
from torch import Tensor
from vllm.model_executor.layers.layernorm import RMSNorm
from vllm.model_executor.layers.rotary_embedding.mrope import MRotaryEmbedding, apply_interleaved_rope

from dreamr.engines.vllm.internals import NewWeights


class CpuWorker(NewWeights):
    """What workers on a CPU are taught (vLLM's `worker_extension_cls`); to import it is to have the kernels."""


@RMSNorm.register_oot(name="RMSNorm")
class CpuRMSNorm(RMSNorm):
    """Divides rows of any leading shape by their root mean square; adds a residual first, where there is one."""

    def forward_native(self, x: Tensor, residual: Tensor | None = None) -> Any:
        if not self.pass_weight or self.variance_size_override is not None or x.dtype != self.weight.dtype:
            return super().forward_native(x, residual)
        if residual is None:
            out = torch.empty(x.shape, dtype=x.dtype)
            torch.ops._C.rms_norm(out, x.contiguous(), self.weight.data, self.variance_epsilon)
            return out
        torch.ops._C.fused_add_rms_norm(x, residual, self.weight.data, self.variance_epsilon)
        return x, residual


@MRotaryEmbedding.register_oot(name="MRotaryEmbedding")
class CpuMRotaryEmbedding(MRotaryEmbedding):
    """Turns queries and keys in place: by cosines and sines that are put together once for all layers of a step."""

    _positions: Tensor | None = None  # (3, tokens), of the step before
    _rows: Tensor  # (tokens, rotary dimensions): each token's cosines, then its sines
    _places: Tensor  # (tokens,): which row is whose

    def forward_native(
        self, positions: Tensor, query: Tensor, key: Tensor | None = None, offsets: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        if positions.ndim == 1 or offsets is not None:
            plain: tuple[Tensor, Tensor | None] = super().forward_native(positions, query, key, offsets)
            return plain
        # By value: whether a tensor is the one of the layer before says nothing of what it holds by now.
        if self._positions is None or not torch.equal(positions, self._positions):
            self._positions, self._rows = positions.clone(), self._cos_sin(positions, query)
            self._places = torch.arange(positions.shape[1])
        torch.ops._C.rotary_embedding(self._places, query, key, self.head_size, self._rows, self.is_neox_style)
        return query, key

    def _cos_sin(self, positions: Tensor, query: Tensor) -> Tensor:
        """Of each token, the parts of time, height and width as `mrope_section` divides them."""
        halves = self._match_cos_sin_cache_dtype(query)[positions].chunk(2, dim=-1)
        if self.mrope_interleaved:
            return torch.cat([apply_interleaved_rope(half, self.mrope_section) for half in halves], dim=-1)
        parts = [half.split(self.mrope_section, dim=-1) for half in halves]
        return torch.cat([part[axis] for half in parts for axis, part in enumerate(half)], dim=-1)
