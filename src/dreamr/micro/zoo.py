"""The manifest of a model of the zoo: whether the files on disk are the ones that were trained."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from dreamr.errors import UserError

MANIFEST = "manifest.json"


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
