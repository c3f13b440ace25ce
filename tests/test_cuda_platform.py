"""Engines of the scales for GPUs as vLLM would start them there: configuration, sampler, attention, 4-bit kernels."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from families import edit
from real_models import REAL, real_folder

from dreamr.config import Config
from dreamr.engines.vllm.rollouts import RolloutEngine
from dreamr.planning.reading import read

pytestmark = [pytest.mark.models, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent
SCALES = ("gpu", "paper")
# How config.json tells of 4 bits: by llm-compressor after this project's recipe, by AutoAWQ in the ready-made model.
# Which layers that model names is an assumption.
OWN = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "quantization_status": "compressed",
    "ignore": ["re:.*lm_head", "re:.*visual.*", "re:.*mlp.gate$"],
}
READY_MADE = {
    **{"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"},
    "modules_to_not_convert": ["visual", "mlp.gate"],
}
MARLIN, MACHETE = "MarlinLinearKernel", "MacheteLinearKernel"
BEYOND = "beyond"  # the 235B target on more GPUs than the scale gives it

Chosen = tuple[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]]


def engines(models: Path) -> dict[str, dict[str, Any]]:
    """All engines of the scales, by names of these tests."""
    found = {}
    for scale in SCALES:
        config = read([ROOT / "config/config.yaml", ROOT / f"config/{scale}.yaml"])
        large = {name for name in config.models if name.removesuffix("-awq") in REAL}
        for name in sorted(large):
            found[f"{scale} {name}"] = engine(config, name, models / scale)
        for draft in sorted({name for run in config.runs.values() if run for name in run.drafts} & large):
            writing = engine(config, draft, models / scale, **config.sapo.rollouts.model_dump(mode="json"))
            found[f"{scale} {draft} writing"] = writing | {"others": dict(RolloutEngine._arguments)}
    method = config.methods["ngram"]
    ngram = {"ngram": [method.ngram_tokens, *method.ngram_lookup]}
    found["paper qwen3-vl-32b-awq ngram"] = engine(config, "qwen3-vl-32b-awq", models / "paper") | ngram
    found[BEYOND] = engine(config, "qwen3-vl-235b-awq", models / "paper", tensor_parallel=8)
    return found


def engine(config: Config, name: str, models: Path, **changes: Any) -> dict[str, Any]:
    """An engine as `cuda_platform.chosen` takes it; `changes` are of its settings."""
    spec = config.models[name]
    served = spec.engine.model_dump(mode="json") | changes
    shared = config.model_dump(mode="json", include={"generation", "images", "context_tokens"})
    return {
        "folder": str(folder_of(config, name, models)),
        "model": {
            "name": name,
            "engine": served,
            "digest": "",
            **spec.model_dump(include={"thinking", "trust_remote_code"}),
        },
        "settings": shared,
        "ngram": None,
        "others": {},
    }


def folder_of(config: Config, name: str, models: Path) -> Path:
    """A folder that holds the configuration which the model would have."""
    base = name.removesuffix("-awq")
    folder = models / name / base
    if not folder.exists():
        folder.parent.mkdir(parents=True)
        real_folder(base, folder.parent)
        edit(folder / "config.json", **({"quantization_config": method} if (method := packed(config, name)) else {}))
    return folder


def packed(config: Config, name: str) -> dict[str, Any] | None:
    """How a model says that its weights have 4 bits."""
    if config.models[name].maker != "awq":
        return READY_MADE if name.endswith("awq") else None
    weights = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group"}
    return OWN | {
        "config_groups": {"": {"targets": ["Linear"], "weights": weights | {"group_size": config.awq.group_size}}}
    }


@pytest.fixture(scope="module", params=["8.9", "9.0"])
def chosen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Chosen:
    """Capability, and of each engine what was asked and what was chosen."""
    folder = tmp_path_factory.mktemp("models")
    asked = engines(folder)
    (folder / "engines.json").write_text(json.dumps([*asked.values()]))
    command = [sys.executable, str(ROOT / "tests/cuda_platform.py"), request.param, str(folder / "engines.json")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT / "src")})
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return request.param, {name: (asked[name], one) for name, one in zip(asked, told, strict=True)}


def test_engines_are_configured_as_the_scale_says(chosen: Chosen) -> None:
    for name, (asked, found) in chosen[1].items():
        spec = asked["model"]["engine"]
        expected = {
            "executor": "mp" if spec["tensor_parallel"] > 1 else "uni",
            "worker": "vllm.v1.worker.gpu_worker.Worker",
            "tensor_parallel": spec["tensor_parallel"],
            "tokens": [spec["batched_tokens"], asked["settings"]["context_tokens"], 256],
            "asynchronous": asked["ngram"] is None,
            "second_runner": False,
            "dtype": f"torch.{spec['dtype']}",
            "memory": spec["memory"],
            "prefixes": True,
            "graphs": "FULL_AND_PIECEWISE",
        }
        assert {part: found[part] for part in expected} == expected, name


def test_no_engine_compiles_a_sampler(chosen: Chosen) -> None:
    assert {found["sampler"] for _, found in chosen[1].values()} == {"forward_native"}


def test_every_layer_attends_by_flash_attention(chosen: Chosen) -> None:
    """Of the language part and of the vision tower."""
    for name, (asked, found) in chosen[1].items():
        config = json.loads((Path(asked["folder"]) / "config.json").read_text())
        text, vision = config.get("text_config", config), config["vision_config"]
        expected = {
            "attention FLASH_ATTN": text["num_hidden_layers"],
            "attention to images FLASH_ATTN": vision.get("depth") or vision["num_hidden_layers"],
        }
        assert {kind: count for kind, count in found["layers"].items() if "attention" in kind} == expected, name


def test_every_packed_layer_has_a_kernel_at_its_share(chosen: Chosen) -> None:
    """Without padding. At 9.0 vLLM prefers Machete, but that has no kernel for groups of 32, as this project makes."""
    capability, engines = chosen
    for name, (asked, found) in engines.items():
        method, text = packed_and_text(asked)
        fast = capability == "9.0" and method.get("group_size") == 128
        packed = {f"by {MACHETE if fast else MARLIN}", f"for {MARLIN}", *([f"for {MACHETE}"] if fast else [])}
        each = (2 if "num_experts" in text else 4) * text["num_hidden_layers"] if method else 0
        kinds = {kind: count for kind, count in found["layers"].items() if kind.split()[0] in ("by", "for", "padded")}
        assert kinds == (dict.fromkeys(packed, each) if method else {}), name


def test_experts_have_a_kernel_on_four_gpus_and_none_of_the_fast_ones_on_eight(chosen: Chosen) -> None:
    """A group of 128 does not fit the 192 rows that each of eight would hold of an expert."""
    experts = {name: found["layers"].get("experts MARLIN", 0) for name, (_, found) in chosen[1].items()}
    assert {name for name, count in experts.items() if count} == {"paper qwen3-vl-235b-awq"}
    assert experts["paper qwen3-vl-235b-awq"] == chosen[1][BEYOND][1]["layers"]["experts MoeWNA16Method"] == 94


def packed_and_text(asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of a model's configuration how its weights are packed, and its language part."""
    config = json.loads((Path(asked["folder"]) / "config.json").read_text())
    return config.get("quantization_config", {}), config.get("text_config", config)
