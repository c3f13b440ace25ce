"""vLLM's own kernels on a CPU compute what vLLM's operators of PyTorch do, and its layers are those that use them."""

from collections.abc import Callable, Iterator

import pytest

pytestmark = pytest.mark.models
torch = pytest.importorskip("torch")
pytest.importorskip("vllm")

HEADS, KV_HEADS, SIZE, TOKENS = 4, 2, 32, 50
SECTIONS = [6, 5, 5]


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    """Layers ask for vLLM's configuration while they are made."""
    from vllm.config import VllmConfig, set_current_vllm_config

    import dreamr.engines.vllm.kernels  # noqa: F401

    with set_current_vllm_config(VllmConfig()):
        yield


def rotary(interleaved: bool) -> "torch.nn.Module":
    from vllm.model_executor.layers.rotary_embedding.mrope import MRotaryEmbedding

    return MRotaryEmbedding(SIZE, SIZE, 256, 1e4, True, torch.float32, SECTIONS, interleaved)


def projected() -> list["torch.Tensor"]:
    """Queries and keys as a layer has them: parts of one projection's output, so with gaps between the rows."""
    whole = torch.randn(TOKENS, (HEADS + 2 * KV_HEADS) * SIZE)
    return list(whole.split([HEADS * SIZE, KV_HEADS * SIZE, KV_HEADS * SIZE], dim=-1)[:2])


def operators(layer: "torch.nn.Module") -> Callable[..., "tuple[torch.Tensor, torch.Tensor]"]:
    """What vLLM would compute without our layer."""
    return super(type(layer), layer).forward_native


@pytest.mark.parametrize("interleaved", [True, False])
def test_rotary_positions_are_those_of_the_operators(interleaved: bool) -> None:
    """Layer after layer of a step and step after step, also where a step writes its positions into the same memory."""
    layer, positions = rotary(interleaved), torch.empty(3, TOKENS, dtype=torch.int64)
    assert type(layer).__name__ == "CpuMRotaryEmbedding"
    for _ in range(3):
        positions.copy_(torch.randint(0, 256, positions.shape))
        for _ in range(2):
            query, key = projected()
            expected = operators(layer)(positions, query.clone(), key.clone())
            torch.testing.assert_close(layer(positions, query, key), expected, rtol=1e-6, atol=1e-6)


def test_a_step_of_fewer_tokens_is_another_step() -> None:
    layer, positions = rotary(interleaved=True), torch.randint(0, 256, (3, TOKENS))
    for count in (TOKENS, TOKENS // 2):
        query, key = (part[:count] for part in projected())
        expected = operators(layer)(positions[:, :count], query.clone(), key.clone())
        torch.testing.assert_close(layer(positions[:, :count], query, key), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_norms_are_those_of_the_operators(dtype: str) -> None:
    """Of rows, and of heads, which are parts of rows; with a residual, which is added first and handed on."""
    from vllm.model_executor.layers.layernorm import RMSNorm

    layer = RMSNorm(SIZE, eps=1e-6, dtype=getattr(torch, dtype))
    assert type(layer).__name__ == "CpuRMSNorm"
    layer.weight.data.copy_(torch.rand(SIZE))
    near = {"rtol": 1e-6, "atol": 1e-6} if dtype == "float32" else {"rtol": 1.6e-2, "atol": 1e-2}
    for x in (torch.randn(TOKENS, SIZE), projected()[0].unflatten(-1, (HEADS, SIZE))):
        x = x.to(layer.weight.dtype)
        torch.testing.assert_close(layer(x), operators(layer)(x), **near)
    x, residual = torch.randn(2, TOKENS, SIZE).to(layer.weight.dtype)
    expected = operators(layer)(x.clone(), residual.clone())
    torch.testing.assert_close(layer(x, residual), expected, **near)


def test_a_norm_over_part_of_a_row_is_left_to_the_operators() -> None:
    """The kernels know only whole rows with a weight."""
    from vllm.model_executor.layers.layernorm import RMSNorm

    x = torch.randn(TOKENS, SIZE)
    for layer in (RMSNorm(SIZE, var_hidden_size=SIZE // 2), RMSNorm(SIZE, has_weight=False)):
        assert torch.equal(layer(x), operators(layer)(x))
