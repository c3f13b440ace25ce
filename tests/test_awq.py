"""AWQ: the whole command in its own environment, on both kinds of target; and what is drawn to calibrate on."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from families import FAMILIES, family_folder

from dreamr.data.sampling import drawn
from dreamr.errors import UserError
from dreamr.records import Question, write_rows

ROOT = Path(__file__).parents[1]
ZOO = ROOT / "workflow" / "resources" / "zoo"
PYTHON = ROOT / "environments" / "quantize" / "bin" / "python"
GROUP = 32


def questions(name: str, number: int) -> list[Question]:
    shared = {"dataset": name, "prompt": "<image>What is the sum of row 1?", "images": ("a.png",), "gold": ("7",)}
    return [Question(id=str(place), cluster=str(place), **shared) for place in range(number)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    folder = tmp_path_factory.mktemp("data")
    Image.effect_noise((60, 60), 90).convert("RGB").save(folder / "a.png")
    for name in ("one", "two", "three"):
        write_rows(folder / f"{name}.jsonl", questions(name, 10))
    return folder


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a base's quantized model in the form for a device; each is made once."""

    @cache
    def folder(base: str, form: str = "cpu") -> Path:
        models = family_folder(tmp_path_factory.mktemp("models"), base).parent if base in FAMILIES else ZOO
        out = tmp_path_factory.mktemp("made") / "out"
        quantize(models, base, data, out, form=form)
        return out

    return folder


def test_samples_are_even_and_seeded(data: Path) -> None:
    sets = ("one", "two", "three")
    first, again, other = (drawn(data, sets, 8, seed) for seed in (1, 1, 2))
    assert [sum(question.dataset == name for question in first) for name in sets] == [3, 3, 2]
    assert first == again != other
    assert len({(question.dataset, question.id) for question in first}) == 8


def test_too_few_questions_stop_the_job(data: Path) -> None:
    with pytest.raises(UserError, match=r"two\.jsonl: holds 10 questions, 11 are asked for"):
        drawn(data, ("two",), 11, 0)


def quantize(
    models: Path, base: str, data: Path, out: Path, trust_remote_code: bool = False, threads: int = 1, form: str = "cpu"
) -> dict[str, Any]:
    """The card of what the command makes of four questions, in the form for a device.

    `threads` as Snakemake exports them.
    """
    model = {"name": base, "engine": {"dtype": "float32"}, "thinking": False, "digest": ""}
    spec = {
        "name": "t",
        "made_with": "",
        "device": form,
        "base": model | {"trust_remote_code": trust_remote_code},
        "awq": {"training_sets": ["one"], "samples": 4, "group_size": GROUP, "sequence_tokens": 160},
        "images": {"min_pixels": 784, "max_pixels": 65536},
    }
    command = [PYTHON, "-m", "dreamr", "quantize", "--spec", json.dumps(spec), "--models", models, "--data", data]
    exported = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    environment = os.environ | exported
    subprocess.run([*command, "--out", out], check=True, env=environment, stdin=subprocess.DEVNULL)
    return json.loads((out / "card.json").read_text())


in_its_environment = pytest.mark.skipif(
    not PYTHON.exists(), reason="the workflow has not made the quantize environment"
)


@pytest.mark.models
@pytest.mark.slow
@in_its_environment
@pytest.mark.parametrize("base", ["q3vl-deep", "q3vl-moe", "mimo-untied"])
def test_the_language_model_is_quantized_and_nothing_else(base: str, made: Callable[..., Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    out, source = made(base), family_folder(tmp_path, base) if base in FAMILIES else ZOO / base
    before, after = (load_file(folder / "model.safetensors") for folder in (source, out))
    assert {name: weight.shape for name, weight in after.items()} == {n: w.shape for n, w in before.items()}
    for name, weight in before.items():
        if any(part in name for part in ("visual", "embed_tokens", "lm_head", "mlp.gate.")):
            assert after[name].equal(weight), name
        elif name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            assert_four_bits(after[name].transpose(1, 2), name)
        elif name.endswith("_proj.weight"):
            assert_four_bits(after[name], name)
    norms = [name for name in before if name.endswith("input_layernorm.weight")]
    scaled = [name for name in norms if not after[name].equal(before[name])]
    assert len(scaled) > len(norms) / 2, "else this is rounding and no AWQ"
    assert "quantization_config" not in json.loads((out / "config.json").read_text())
    card = json.loads((out / "card.json").read_text())
    assert card["maker"] == "awq" and card["samples"] == 4 and not card["packed"]


@pytest.mark.models
@pytest.mark.slow
@in_its_environment
def test_threads_change_no_byte(made: Callable[..., Path], data: Path, tmp_path: Path) -> None:
    card = json.loads((made("q3vl-deep") / "card.json").read_text())
    assert quantize(ZOO, "q3vl-deep", data, tmp_path / "again", threads=2)["digest"] == card["digest"]


@pytest.mark.models
@pytest.mark.slow
@in_its_environment
@pytest.mark.parametrize("base", ["q3vl-deep", "q3vl-moe"])
def test_what_gpus_are_given_packed_are_the_numbers_that_a_cpu_is_given(base: str, made: Callable[..., Path]) -> None:
    from safetensors.torch import load_file

    assert json.loads((made(base, "cuda") / "card.json").read_text())["packed"]
    config = json.loads((made(base, "cuda") / "config.json").read_text())["quantization_config"]
    assert config["config_groups"]["group_0"]["weights"]["group_size"] == GROUP
    floats, packed = (load_file(made(base, form) / "model.safetensors") for form in ("cpu", "cuda"))
    layers = [name.removesuffix("_packed") for name in packed if name.endswith("weight_packed")]
    assert len(layers) >= 12
    for layer in layers:
        expert = re.fullmatch(r"(.*\.experts)\.(\d+)\.(gate|up|down)_proj\.weight", layer)
        assert unpacked(packed, layer).equal(of_expert(floats, *expert.groups()) if expert else floats[layer]), layer


def unpacked(weights: dict[str, Any], layer: str) -> Any:
    """The numbers of a packed layer: shape (out, in)."""
    import torch
    from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32

    scales, shape = weights[f"{layer}_scale"], torch.Size(weights[f"{layer}_shape"].tolist())
    levels = unpack_from_int32(weights[f"{layer}_packed"], 4, shape).to(scales.dtype)
    return (levels.unflatten(1, (-1, GROUP)) * scales[..., None]).flatten(1)


def of_expert(weights: dict[str, Any], experts: str, number: str, kind: str) -> Any:
    """One expert's layer among the fused weights of all, (experts, in, out): shape (out, in)."""
    if kind == "down":
        return weights[f"{experts}.down_proj"][int(number)].T
    gate, up = weights[f"{experts}.gate_up_proj"][int(number)].chunk(2, dim=1)
    return (gate if kind == "gate" else up).T


OWN_CODE = """
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration


class OwnConfig(Qwen3VLConfig):
    model_type = "own"


class OwnModel(Qwen3VLForConditionalGeneration):
    config_class = OwnConfig
"""


@pytest.mark.models
@pytest.mark.slow
@in_its_environment
def test_a_model_with_code_of_its_own_is_quantized(data: Path, tmp_path: Path) -> None:
    """Nobody is asked whether its code may run: the configuration has said so."""
    base = shutil.copytree(ZOO / "q3vl-deep", tmp_path / "models" / "own")
    (base / "own.py").write_text(OWN_CODE)
    config = json.loads((base / "config.json").read_text())
    classes = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    (base / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": classes}))
    quantize(base.parent, "own", data, tmp_path / "out", trust_remote_code=True)
    assert json.loads((tmp_path / "out" / "card.json").read_text())["maker"] == "awq"
    assert (tmp_path / "out" / "own.py").exists()


def assert_four_bits(weight: Any, name: str) -> None:
    """Groups along the input hold at most 16 different values each."""
    groups = weight.reshape(-1, GROUP).sort(dim=1).values
    assert ((groups[:, 1:] != groups[:, :-1]).sum(1) < 16).all(), name
