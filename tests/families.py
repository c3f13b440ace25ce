"""Micro models in the shape of the paper's drafts: what the zoo leaves out of R-4B and MiMo-VL is here."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ZOO = ROOT / "workflow/resources/zoo"
OWN_CODE = ROOT / "tests/data/r4b"
FAMILIES = ("q3vl-2l", "r4b-own-code", "mimo-untied")
TRUSTED = ("r4b-own-code",)
SWITCH = ("thinking_mode", "long")  # that R-4B's template reads
SPREAD = 4.5  # of the micro tower's features, so that behind the norm they are much as they were


def family_folder(models: Path, name: str) -> Path:
    """The model `name` of `FAMILIES`, made in its folder in `models`."""
    made = {"r4b-own-code": with_own_code, "mimo-untied": with_untied_head}
    return made[name](models / name) if name in made else shutil.copytree(ZOO / name, models / name)


def with_own_code(folder: Path) -> Path:
    """As YannQi/R-4B: configuration, model and processor are classes in the folder, written for transformers 4, none an
    image-text-to-text one. Its processor's files have transformers 4's names."""
    shutil.copytree(ZOO / "r4b-2l", folder)
    for source in OWN_CODE.glob("*.py"):
        shutil.copy(source, folder)
    model = "modeling_r.RForConditionalGeneration"
    edit(
        folder / "config.json",
        architectures=["RForConditionalGeneration"],
        model_type="R",
        auto_map={"AutoConfig": "configuration_r.RConfig", "AutoModel": model},
    )
    named = {"processor_class": "RProcessor", "auto_map": {"AutoProcessor": "processing_r.RProcessor"}}
    processor = json.loads((folder / "processor_config.json").read_text())
    images = processor["image_processor"] | named
    (folder / "preprocessor_config.json").write_text(json.dumps(images, indent=2))
    kept = {name: processor[name] for name in ("image_token", "num_image_tokens")}
    (folder / "processor_config.json").write_text(json.dumps(kept | named, indent=2))
    edit(folder / "tokenizer_config.json", processor_class="RProcessor")
    template, opening = folder / "chat_template.jinja", "{{ '<|turn|>assistant\\n' }}"
    switched = "{% if thinking_mode == 'long' %}{{ '<think>\\n' }}{% endif %}"
    template.write_text(template.read_text().replace(opening, opening + switched))
    rewrite(folder, as_r4b)
    return folder


def as_r4b(weights: dict[str, Any]) -> dict[str, Any]:
    """Names as in R-4B's files, and the norm that only R-4B has, away from the values that a new one has."""
    import torch

    new = {f"model.{name.replace('language_model.model', 'language_model')}": w for name, w in weights.items()}
    like = new["model.multi_modal_projector.linear_1.weight"][0]
    ramp = torch.linspace(-0.1, 0.1, len(like)).to(like.dtype)
    norm = {"weight": SPREAD * (1 + ramp), "bias": ramp}
    return new | {f"model.multi_modal_projector.pre_norm.{part}": weight for part, weight in norm.items()}


def with_untied_head(folder: Path) -> Path:
    """As XiaomiMiMo/MiMo-VL-7B-RL: a configuration without `text_config`, as before transformers 5, and an LM head of
    its own, unlike the embeddings, so that a mix-up shows."""
    shutil.copytree(ZOO / "mimo-3l", folder)
    config = json.loads((folder / "config.json").read_text())
    text = config.pop("text_config")
    rope = text.pop("rope_parameters")
    flat = {"rope_theta": rope["rope_theta"], "rope_scaling": {"type": "mrope", "mrope_section": rope["mrope_section"]}}
    (folder / "config.json").write_text(json.dumps(text | flat | config | {"tie_word_embeddings": False}, indent=2))
    rewrite(folder, untied)
    return folder


def untied(weights: dict[str, Any]) -> dict[str, Any]:
    import torch

    embedded = weights["model.embed_tokens.weight"]
    noise = torch.randn(embedded.shape, generator=torch.Generator().manual_seed(7)) * embedded.float().std() / 4
    return weights | {"lm_head.weight": (embedded.float() + noise).to(embedded.dtype)}


def rewrite(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file({name: weight.contiguous() for name, weight in change(load_file(path)).items()}, path, {"format": "pt"})


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values, indent=2) + "\n")
