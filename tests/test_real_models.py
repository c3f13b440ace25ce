"""The paper's models at their published sizes, without weights: what plans, quantization, training, engines rely on."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from real_models import REAL, experts, on_meta, parameters

from dreamr.config import Size

pytestmark = [pytest.mark.models, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent
QUANTIZING = ROOT / "environments/quantize/bin/python"
DRAFTS = ("qwen3-vl-2b", "qwen3-vl-4b", "r-4b", "mimo-vl-7b-rl")
TIED = ("qwen3-vl-2b", "qwen3-vl-4b")
SEEING = {"r-4b": "model.vision_tower"}  # else model.visual
DIGITS = 4  # to which estimates are rounded
UNUSED = {"r-4b": 2 * 1152}  # a norm behind the tower's last layer, which LLaVA-OneVision does not use


def estimates() -> dict[tuple[str, str], Size]:
    """The sizes by which plans are made, by scale and model."""
    scales = {scale: yaml.safe_load((ROOT / f"config/{scale}.yaml").read_text()) for scale in ("gpu", "paper")}
    sizes = {scale: tree["estimates"]["models"] for scale, tree in scales.items()}
    return {(scale, name): Size(**size) for scale, models in sizes.items() for name, size in models.items()}


ESTIMATES = estimates()


def rounded(number: float) -> float:
    return float(f"{number:.{DIGITS - 1}e}")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("models")
    return {name: on_meta(name, folder) for name in REAL}


def told(python: str | Path, what: str, folder: Path) -> dict[str, Any]:
    """What `real_models.py` says of each model, in an environment."""
    command = [python, ROOT / "tests/real_models.py", what, folder]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not QUANTIZING.exists():
        pytest.skip("the workflow has not made the quantize environment")
    return told(QUANTIZING, "kept", tmp_path_factory.mktemp("kept"))


@pytest.mark.parametrize("scale, name", ESTIMATES)
def test_plans_count_what_a_model_has(scale: str, name: str, models: dict[str, Any]) -> None:
    size, model = ESTIMATES[scale, name], models[name.removesuffix("-awq")]
    text = model.config.get_text_config()
    assert (size.layers, size.hidden, size.kv_heads) == (
        text.num_hidden_layers,
        text.hidden_size,
        text.num_key_value_heads,
    )
    keys = model.get_submodule("model.language_model.layers.0.self_attn.k_proj").weight.shape[0]
    assert size.head_dim * size.kv_heads == keys
    assert size.parameters == rounded(parameters(model))
    unmet = experts(model) * (1 - text.num_experts_per_tok / text.num_experts) if experts(model) else 0
    assert (size.active or size.parameters) == rounded(parameters(model) - unmet)


@pytest.mark.parametrize("scale, name", [place for place, size in ESTIMATES.items() if size.kept])
def test_plans_count_what_quantization_leaves(scale: str, name: str, quantized: dict[str, Any]) -> None:
    assert ESTIMATES[scale, name].kept == rounded(quantized[name.removesuffix("-awq")]["kept"])


def test_each_quantized_target_says_what_is_left(models: dict[str, Any]) -> None:
    bases = {("gpu", "qwen3-vl-8b"), ("paper", "qwen3-vl-32b"), ("paper", "qwen3-vl-235b-awq")}
    assert {place for place, size in ESTIMATES.items() if size.kept} == bases


@pytest.mark.parametrize("name", REAL)
def test_quantization_touches_the_language_model_alone(name: str, quantized: dict[str, Any]) -> None:
    assert not quantized[name]["outside"]


@pytest.mark.parametrize("name", REAL)
def test_the_tower_is_found_and_the_language_model_is_outside(name: str, models: dict[str, Any]) -> None:
    from dreamr.models.loading import vision_tower

    model = models[name]
    tower = vision_tower(model)
    assert tower is model.get_submodule(SEEING.get(name, "model.visual"))
    seen = {id(parameter) for parameter in tower.parameters()}
    assert not any(id(parameter) in seen for parameter in model.model.language_model.parameters())
    assert 0.3e9 < parameters(tower) < 0.8e9


@pytest.mark.parametrize("name", REAL)
def test_a_head_is_tied_where_it_is_said_to_be(name: str, models: dict[str, Any]) -> None:
    model = models[name]
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert tied == (name in TIED) == bool(model.all_tied_weights_keys)
    assert model.get_submodule("lm_head") is model.get_output_embeddings()
    assert model.get_submodule("model.language_model.embed_tokens") is model.get_input_embeddings()


@pytest.mark.parametrize("name", DRAFTS)
def test_ranks_share_a_draft_by_layers(name: str, models: dict[str, Any]) -> None:
    """Tower and decoder are lists of layers of one class each, and outside of them little is left but embeddings."""
    from torch import nn

    from dreamr.models.loading import vision_tower

    model = models[name]
    tower = vision_tower(model)
    layers = model.get_submodule("model.language_model.layers")
    seeing = max((one for one in tower.modules() if isinstance(one, nn.ModuleList)), key=parameters)
    for repeated in (layers, seeing):
        assert len({type(layer) for layer in repeated}) == 1
    text, heads = model.config.get_text_config(), 1 if name in TIED else 2
    left = parameters(model) - parameters(layers) - parameters(seeing) - heads * text.vocab_size * text.hidden_size
    assert left < 0.15e9


def test_engines_take_all_weights_that_are_handed_over(models: dict[str, Any], tmp_path: Path) -> None:
    """By name and by shape, with the axes of experts and the prefix of SigLIP as they are written."""
    taken = told(sys.executable, "handed", tmp_path)
    for name, model in models.items():
        assert not taken[name]["missed"], name
        assert taken[name]["parameters"] == parameters(model) - UNUSED.get(name, 0), name
