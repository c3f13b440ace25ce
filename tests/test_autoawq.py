"""Ready-made AWQ builds are in AutoAWQ's format: a folder in that format is served, and answers as its weights say."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from engines import engine_of

from dreamr.cpn import KEYWORDS
from dreamr.engines.protocol import Meter
from dreamr.errors import UserError
from dreamr.prompts import STEP_BREAK, VERIFY, Prompt

pytestmark = [pytest.mark.models, pytest.mark.slow]

ZOO = Path(__file__).parents[1] / "workflow/resources/zoo"
BASE = "mimo-3l"  # of the Qwen2.5-VL family, which AutoAWQ knows
GROUP, BITS = 32, 4
ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # in which AutoAWQ's kernels keep eight neighbours in 32 bits
PROMPTS = [Prompt(f"What is {a} plus {b}?", ()) for a, b in ((3, 4), (8, 1), (9, 9), (2, 7), (5, 6))]


def packed(values: Any) -> Any:
    """(rows, columns) of numbers below 16 as (rows, columns / 8) of 32 bits."""
    import torch

    places = torch.arange(8, dtype=torch.int64) * BITS
    eight = values.long().unflatten(1, (-1, 8))[:, :, list(ORDER)] << places
    whole = eight.sum(dim=2)
    return torch.where(whole >= 1 << 31, whole - (1 << 32), whole).int()


def quantized(weight: Any) -> tuple[dict[str, Any], Any]:
    """A linear layer's weight (out, in) in AutoAWQ's tensors, and as the numbers that these stand for."""
    import torch

    groups = weight.float().unflatten(1, (-1, GROUP))
    low, high = groups.amin(dim=2).clamp(max=0), groups.amax(dim=2).clamp(min=0)
    scales = ((high - low) / 15).clamp(min=1e-5).half().float()
    zeros = (-low / scales).round().clamp(0, 15)
    levels = ((groups / scales[..., None]).round() + zeros[..., None]).clamp(0, 15)
    meant = ((levels - zeros[..., None]) * scales[..., None]).flatten(1)
    tensors = {"qweight": packed(levels.flatten(1).T), "qzeros": packed(zeros.T), "scales": scales.T.half()}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}, meant.to(torch.float16)


def write_both(folder: Path) -> None:
    """`awq` in AutoAWQ's format, `plain` with the same numbers as floats."""
    from safetensors.torch import load_file, save_file

    awq, plain = {}, {}
    for name, weight in load_file(ZOO / BASE / "model.safetensors").items():
        if name.startswith("model.layers.") and name.endswith("_proj.weight"):
            tensors, plain[name] = quantized(weight)
            awq |= {f"{name.removesuffix('weight')}{part}": tensor for part, tensor in tensors.items()}
        else:
            awq[name] = plain[name] = weight.half()
    for kind, weights in (("awq", awq), ("plain", plain)):
        shutil.copytree(ZOO / BASE, folder / kind, ignore=shutil.ignore_patterns("*.safetensors"))
        save_file(weights, folder / kind / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "awq/config.json").read_text())
    config["quantization_config"] = {
        **{"quant_method": "awq", "version": "gemm", "bits": BITS, "group_size": GROUP, "zero_point": True},
        "modules_to_not_convert": ["visual"],
    }
    (folder / "awq/config.json").write_text(json.dumps(config))


async def said(models: Path, name: str, dtype: str) -> tuple[list[str], list[float]]:
    """Greedy texts, and the balance of CPN's keywords behind each."""
    texts, balances = [], []
    async with engine_of(models, name, dtype=dtype) as engine:
        for prompt in PROMPTS:
            step = await engine.generate(prompt, stop=STEP_BREAK, max_tokens=24, meter=Meter())
            texts.append(step.text)
            asked = Prompt(prompt.user, (), "The answer is 7.\n\n", VERIFY)
            yes, no = await engine.keyword_logprobs(asked, KEYWORDS)
            balances.append(yes - no)
    return texts, balances


def why_not() -> str | None:
    """Why this machine cannot serve packed weights."""
    import torch
    import vllm._custom_ops  # noqa: F401 - loads the library that fits this processor

    return None if hasattr(torch.ops._C, "cpu_gemm_wna16") else "not run: needs AVX-512"


@pytest.mark.parametrize(("dtype", "apart"), [("float16", 0.05), ("bfloat16", 0.3)])
def test_autoawqs_format_is_served_and_agrees_with_its_source(tmp_path: Path, dtype: str, apart: float) -> None:
    if reason := why_not():
        pytest.skip(reason)
    write_both(tmp_path)
    texts, balances = asyncio.run(said(tmp_path, "awq", dtype))
    expected, exact = asyncio.run(said(tmp_path, "plain", dtype))
    if dtype == "float16":  # the eight bits of the other may turn a word
        assert texts == expected
    assert balances == pytest.approx(exact, abs=apart)
    assert len(set(balances)) > len(balances) / 2, "they depend on the question"


@pytest.mark.instructions
def test_without_its_kernel_it_is_refused_before_an_engine_starts(tmp_path: Path) -> None:
    if not why_not():
        pytest.skip("this machine has AVX-512; run again without it by tests/test_instructions.py")
    write_both(tmp_path)
    with pytest.raises(UserError, match=r"model awq: the weights in .* are packed \(awq\), .* needs AVX-512"):
        asyncio.run(said(tmp_path, "awq", "float32"))
