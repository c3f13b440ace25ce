"""The six models of the zoo: what they are, and whether the files on disk are the ones that were trained."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dreamr.errors import UserError

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ZooRecipe:
    """How one model is made. Steps are of batches of 32."""

    family: str
    role: Literal["target", "draft"]
    layers: int
    steps: int
    rate: float
    seed: int
    experts: bool = False


SIGHT_STEPS = 1400
# The trunk learns to answer with few blocks, which is quick, and then, twice as deep, to judge as well: verdicts taught
# from the start only slow the answers down, for what a step should say must be known before it can be judged.
SPROUT_LAYERS, SPROUT_STEPS, SPROUT_RATE = 3, 450, 2e-3
TRUNK_LAYERS, TRUNK_SEED = 6, 11
# Steps, rate (falling to nothing in each stage) and share of answers among the lessons.
TRUNK_STAGES = (
    (700, 2e-3, 0.3),
    (900, 1.5e-3, 0.35),
    (600, 1.2e-3, 0.6),
    (1000, 1.5e-3, 0.4),
    (1200, 1.5e-3, 0.35),
    (700, 1.2e-3, 0.35),
)
ZOO = {
    "q3vl-deep": ZooRecipe("qwen3-vl", "target", 24, 100, 2e-4, 21),
    "q3vl-moe": ZooRecipe("qwen3-vl", "target", 12, 100, 3e-4, 22, experts=True),
    "q3vl-2l": ZooRecipe("qwen3-vl", "draft", 2, 1100, 2e-3, 31),
    "q3vl-3l": ZooRecipe("qwen3-vl", "draft", 3, 800, 2e-3, 32),
    "r4b-2l": ZooRecipe("r4b", "draft", 2, 800, 2e-3, 33),
    "mimo-3l": ZooRecipe("mimo-vl", "draft", 3, 1100, 2e-3, 34),
}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_file() and path.name != MANIFEST)


def write_manifest(folder: Path, facts: dict[str, object]) -> None:
    """Record how the model was made and the checksum of each of its files."""
    sums = {path.name: sha256(path) for path in files(folder)}
    text = json.dumps({**facts, "sha256": sums}, indent=2, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def verify(folder: Path) -> None:
    """Stop with the file and both checksums if a file of the model is missing or not the one in its manifest."""
    folder = Path(folder)
    manifest = folder / MANIFEST
    if not manifest.exists():
        raise UserError(f"{folder}: no {MANIFEST}; this is not a model of the zoo")
    for name, expected in json.loads(manifest.read_text(encoding="utf-8"))["sha256"].items():
        path = folder / name
        found = sha256(path) if path.exists() else "no such file"
        if found != expected:
            raise UserError(f"{path}: sha256 is {found}, the manifest says {expected}")
