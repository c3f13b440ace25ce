"""Engines of the scales for GPUs as vLLM would start them there: configuration, sampler, attention, 4-bit kernels."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from families import edit
from real_models import real_folder

from dreamr.config import Config
from dreamr.engines.vllm.rollouts import RolloutEngine
from dreamr.planning.reading import read

pytestmark = [pytest.mark.models, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent
CAPABILITIES = ("8.9", "9.0")  # an L40S; an H100 or H200
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

Engines = dict[str, tuple[dict[str, Any], dict[str, Any]]]  # by name, what was asked and what was chosen


def scales() -> dict[str, Config]:
    """The scales for GPUs; a scale's first lines tell of the files that it is made of."""
    found = {}
    for file in sorted((ROOT / "config").glob("*.yaml")):
        command = re.search(r"--configfile((?: config/\S+[.]yaml)+)", file.read_text())
        if command and f"config/{file.name}" in command[1]:
            config = read([ROOT / path for path in ("config/config.yaml", *command[1].split())])
            found |= {file.stem: config} if config.device == "cuda" else {}
    assert {"gpu", "paper"} <= {*found}
    return found


def engines(models: Path) -> dict[str, dict[str, Any]]:
    """All engines of the scales, by names of these tests."""
    found = {}
    for scale, config in scales().items():
        hub = {name for name, spec in config.models.items() if spec.maker == "hub"}
        large = hub | {name for name, spec in config.models.items() if getattr(spec, "base", None) in hub}
        for name in sorted(large):
            found[f"{scale} {name}"] = engine(config, name, models / scale)
        for draft in sorted({name for run in config.runs.values() if run for name in run.drafts} & large):
            writing = engine(config, draft, models / scale, **config.sapo.rollouts.model_dump(mode="json"))
            found[f"{scale} {draft} writing"] = writing | {"others": dict(RolloutEngine._arguments)}
    return found | peculiar(scales()["paper"], models / "paper")


def peculiar(config: Config, models: Path) -> dict[str, dict[str, Any]]:
    """One that speculates by itself, and one on more GPUs than any scale has for it."""
    method = config.methods["ngram"]
    ngram = {"ngram": [method.ngram_tokens, *method.ngram_lookup]}
    return {
        "n-gram": engine(config, "qwen3-vl-32b-awq", models) | ngram,
        BEYOND: engine(config, "qwen3-vl-235b-awq", models, tensor_parallel=8),
    }


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


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Engines]:
    """Of each capability and engine what was asked, and what was chosen."""
    folder = tmp_path_factory.mktemp("models")
    asked = engines(folder)
    (folder / "engines.json").write_text(json.dumps([*asked.values()]))
    command = [sys.executable, str(ROOT / "tests/cuda_platform.py"), str(folder / "engines.json")]
    with ThreadPoolExecutor() as at_once:
        answers = at_once.map(lambda capability: answer([*command, capability]), CAPABILITIES)
        chosen = dict(zip(CAPABILITIES, answers, strict=True))
    return {
        capability: dict(zip(asked, zip(asked.values(), chosen[capability], strict=True), strict=True))
        for capability in CAPABILITIES
    }


def answer(command: list[str]) -> Any:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(params=CAPABILITIES)
def chosen(request: pytest.FixtureRequest, told: dict[str, Engines]) -> tuple[str, Engines]:
    return request.param, told[request.param]


def test_engines_are_configured_as_the_scale_says(chosen: tuple[str, Engines]) -> None:
    for name, (asked, found) in chosen[1].items():
        spec = asked["model"]["engine"]
        expected = {
            "executor": "mp" if spec["tensor_parallel"] > 1 else "uni",
            "worker": "vllm.v1.worker.gpu_worker.Worker",
            "tensor_parallel": spec["tensor_parallel"],
            "tokens": [spec["batched_tokens"], asked["settings"]["context_tokens"], 256],
            # What is timed schedules no step ahead, as n-gram speculation cannot.
            "asynchronous": name.endswith("writing"),
            "second_runner": False,
            "dtype": f"torch.{spec['dtype']}",
            "memory": spec["memory"],
            "prefixes": True,
            "graphs": "FULL_AND_PIECEWISE",
        }
        assert {part: found[part] for part in expected} == expected, name


def test_no_engine_compiles_a_sampler(chosen: tuple[str, Engines]) -> None:
    assert {found["sampler"] for _, found in chosen[1].values()} == {"forward_native"}


def test_every_layer_attends_by_flash_attention(chosen: tuple[str, Engines]) -> None:
    """Of the language part and of the vision tower."""
    for name, (asked, found) in chosen[1].items():
        config = json.loads((Path(asked["folder"]) / "config.json").read_text())
        text, vision = config.get("text_config", config), config["vision_config"]
        expected = {
            "attention FLASH_ATTN": text["num_hidden_layers"],
            "attention to images FLASH_ATTN": vision.get("depth") or vision["num_hidden_layers"],
        }
        assert {kind: count for kind, count in found["layers"].items() if "attention" in kind} == expected, name


def test_every_packed_layer_has_a_kernel_at_its_share(chosen: tuple[str, Engines]) -> None:
    """Without padding. At 9.0 vLLM prefers Machete, but that has no kernel for groups of 32, as this project makes."""
    capability, engines = chosen
    for name, (asked, found) in engines.items():
        method, text = packed_and_text(asked)
        fast = capability == "9.0" and method.get("group_size") == 128
        packed = {f"by {MACHETE if fast else MARLIN}", f"for {MARLIN}", *([f"for {MACHETE}"] if fast else [])}
        each = (2 if "num_experts" in text else 4) * text["num_hidden_layers"] if method else 0
        kinds = {kind: count for kind, count in found["layers"].items() if kind.split()[0] in ("by", "for", "padded")}
        assert kinds == (dict.fromkeys(packed, each) if method else {}), name


def test_experts_have_a_kernel_on_four_gpus_and_none_of_the_fast_ones_on_eight(chosen: tuple[str, Engines]) -> None:
    """A group of 128 does not fit the 192 rows that each of eight would hold of an expert."""
    for name, (asked, found) in chosen[1].items():
        experts = {kind: count for kind, count in found["layers"].items() if kind.startswith("experts")}
        _, text = packed_and_text(asked)
        kind = "experts MoeWNA16Method" if name == BEYOND else "experts MARLIN"
        assert experts == ({kind: text["num_hidden_layers"]} if "num_experts" in text else {}), name
    assert chosen[1][BEYOND][1]["layers"]["experts MoeWNA16Method"] == 94


def packed_and_text(asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of a model's configuration how its weights are packed, and its language part."""
    config = json.loads((Path(asked["folder"]) / "config.json").read_text())
    return config.get("quantization_config", {}), config.get("text_config", config)
