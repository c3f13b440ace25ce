"""Model folders: complete, in the layout that transformers and vLLM both read, marked by a card written last."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dreamr.models.cards import CARD, digest_of, model_digest, model_files
from dreamr.provenance import versions

CURVE = "training.csv"
COPIES = ".made"  # Snakemake deletes a job's outputs before it runs the job again; these copies are not its
NOT_COPIED = ("*.safetensors", "*.safetensors.index.json", CARD, COPIES, CURVE, "manifest.json")


@contextmanager
def model_folder(out: Path, name: str, maker: str, made_by: str = "") -> Iterator[tuple[Path, dict[str, Any]]]:
    """A new folder to fill and the facts for its card; it takes the place of `out` once it is complete.

    `made_by` is a digest of all that decides what the model is, for `restore_if_built`. Writing needs
    `only_writer(out)`.
    """
    begin = time.perf_counter()
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    facts: dict[str, Any] = {}
    yield part, facts
    seconds, files = round(time.perf_counter() - begin, 1), model_files(part)
    card = {"name": name, "maker": maker, "digest": digest_of(files), "versions": versions(), "seconds": seconds}
    card |= {"made_by": made_by, **facts, "files": files}
    (part / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (part / COPIES).mkdir()
    for file in (CARD, CURVE):
        if (part / file).exists():
            shutil.copy(part / file, part / COPIES)
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)


def is_made(out: Path, made_by: str) -> bool:
    """Whether `out` holds the whole model that `made_by` would make, with or without its card."""
    card = out / COPIES / CARD
    return card.exists() and json.loads(card.read_text(encoding="utf-8"))["made_by"] == made_by


def restore_if_built(out: Path, made_by: str) -> bool:
    """Whether `out` holds the whole model that `made_by` would make; its card and curve are then there again.

    So a job that comes after another one has made the model, or whose outputs Snakemake has deleted, has nothing to do.
    """
    if not is_made(out, made_by):
        return False
    shutil.copytree(out / COPIES, out, dirs_exist_ok=True)
    model_digest(out)  # stops where a file is not what the card says
    return True


def save_like(model: Any, weights: Mapping[str, Any], source: Path, folder: Path) -> None:
    """Save `weights` of a model that was loaded from `source`; all other files as they are there."""
    model.save_pretrained(folder, state_dict=weights)
    name_as_engines_do(model, folder)
    copy_settings(source, folder)


def in_type(weights: Mapping[str, Any], dtype: Any) -> dict[str, Any]:
    """The weights in another type. What was one tensor under two names (a tied head) stays one."""
    made: dict[tuple[Any, ...], Any] = {}
    for weight in weights.values():
        made.setdefault((weight.data_ptr(), weight.shape), weight.to(dtype))
    return {name: made[weight.data_ptr(), weight.shape] for name, weight in weights.items()}


def weights_type(folder: Path) -> Any:
    """The type of a folder's weights, from the weights: a configuration may leave it out or need code to be read."""
    from safetensors import safe_open

    with safe_open(min(folder.glob("*.safetensors")), "pt") as weights:
        return weights.get_slice(min(weights.keys()))[:0].dtype


def copy_settings(source: Path, folder: Path) -> None:
    """Copy everything but weights: configuration, tokenizer, processor, chat template."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(*NOT_COPIED), dirs_exist_ok=True)


def name_as_engines_do(model: Any, folder: Path) -> None:
    """Rewrite what transformers 5.17 may save and vLLM 0.32 cannot read: SigLIP's prefix and the experts' axes.

    A file that holds neither stays as it was saved: of a large draft it is many gigabytes, after every batch.
    """
    from safetensors.torch import load_file, save_file

    width = model.config.get_text_config().hidden_size
    for file in folder.glob("*.safetensors"):
        saved = load_file(file)
        weights = {_engine_name(name): _engine_axes(name, weight, width) for name, weight in saved.items()}
        if any(weights.get(name) is not weight for name, weight in saved.items()):
            save_file(weights, file, {"format": "pt"})


def _engine_name(name: str) -> str:
    before, mark, rest = name.partition("vision_tower.")
    return name if not mark or rest.startswith("vision_model.") else f"{before}{mark}vision_model.{rest}"


def _engine_axes(name: str, weight: Any, width: int) -> Any:
    """Experts as (experts, in, out): `width` comes second in gate_up_proj, last in down_proj."""
    axis = {"experts.gate_up_proj": 1, "experts.down_proj": 2}.get(".".join(name.split(".")[-2:]))
    return weight if axis is None or weight.shape[axis] == width else weight.transpose(1, 2).contiguous()
