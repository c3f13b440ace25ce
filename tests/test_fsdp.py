"""Shares of a draft: by which layers, and what a rank then holds of the paper's models at full size."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from families import FAMILIES, TRUSTED, family_folder
from real_models import on_meta, parameters

from dreamr.errors import UserError

pytestmark = [pytest.mark.models, pytest.mark.slow]
SCRIPT = Path(__file__).with_name("fsdp_memory.py")
LAYERS = {
    "q3vl-2l": ["Qwen3VLTextDecoderLayer", "Qwen3VLVisionBlock"],
    "r4b-own-code": ["Qwen3DecoderLayer", "SiglipEncoderLayer"],
    "mimo-untied": ["Qwen2_5_VLDecoderLayer", "Qwen2_5_VLVisionBlock"],
}


@pytest.mark.parametrize("name", FAMILIES)
def test_layers_are_those_that_a_model_repeats(name: str, tmp_path: Path) -> None:
    """Whatever its class says of modules that are not to be split: R-4B's names some of SigLIP's text model."""
    from dreamr.models.loading import load_model
    from dreamr.sapo.shares import layer_classes

    model = load_model(family_folder(tmp_path / "models", name), name in TRUSTED)
    here = {type(module).__name__ for module in model.modules()}
    assert layer_classes(model) == LAYERS[name]
    assert (name in TRUSTED) == bool(set(model._no_split_modules) - here)


def test_a_model_that_repeats_nothing_is_refused(tmp_path: Path) -> None:
    from torch import nn

    from dreamr.sapo.shares import layer_classes

    tower = nn.Module()
    tower.blocks = nn.ModuleList([nn.Linear(2, 2)])
    model = nn.Module()
    model.visual, model.language_model = tower, nn.Linear(2, 2)
    with pytest.raises(UserError, match="Module: its decoder has no list of layers"):
        layer_classes(model)


def test_a_rank_holds_its_share_of_a_model_of_full_size(tmp_path: Path) -> None:
    """Of both models in 32 bits, and of gradient and moments of what is trained. A pass gathers no model whole."""
    from dreamr.models.loading import vision_tower

    name = "qwen3-vl-2b"
    command = [sys.executable, str(SCRIPT), name, "--rows", "1", "--tokens", "64"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    found = json.loads(ended.stdout)[name]
    model = on_meta(name, tmp_path)
    whole = parameters(model)
    trained = whole - parameters(vision_tower(model))
    assert found["held"] == pytest.approx((2 * 4 * whole + 3 * 4 * trained) / 4 / 1e9, rel=0.01)
    assert 0 < found["added"] < 2 * whole / 1e9, "less than its weights in 16 bits"
