"""The card of a model folder: which files an engine reads from it, and what they were when the card was written."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypedDict

from dreamr.errors import UserError
from dreamr.provenance import file_digest, short_digest

MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
CARD = "card.json"  # holds dates and seconds, so it is no part of what a model is


class FileFacts(TypedDict):
    """A model's file in its card."""

    bytes: int
    modified: int  # nanoseconds
    sha256: str


def model_digest(folder: str | Path) -> str:
    """Digest of the files that an engine reads from a model folder. A folder without weights is a ValueError.

    Weights are read once, when their card is written. From then on a file with the card's size and time is the card's;
    one with another time (a copied folder) is read again; one that is not what the card says stops with model and file.
    """
    folder = Path(folder)
    card = folder / CARD
    listed = json.loads(card.read_text(encoding="utf-8")).get("files", {}) if card.exists() else {}
    return digest_of(model_files(folder, listed))


def digest_of(files: Mapping[str, FileFacts]) -> str:
    """One digest of all files."""
    return short_digest("\n".join(f"{name} {facts['sha256']}" for name, facts in files.items()))


def model_files(folder: Path, listed: Mapping[str, FileFacts] = MappingProxyType({})) -> dict[str, FileFacts]:
    """What an engine reads from a model folder; with what its card lists, checked against that."""
    names = sorted({path.name for pattern in MODEL_FILES for path in folder.glob(pattern)} - {CARD})
    if not any(name.endswith(".safetensors") for name in names):
        raise ValueError(f"{folder}: holds no *.safetensors")
    if listed and names != sorted(listed):
        raise _damaged(folder, f"its files are {', '.join(names)}", ", ".join(sorted(listed)))
    return {name: _facts(folder / name, listed.get(name)) for name in names}


def _facts(path: Path, listed: FileFacts | None) -> FileFacts:
    stat = path.stat()
    size, modified = stat.st_size, stat.st_mtime_ns
    if listed and size != listed["bytes"]:
        raise _damaged(path.parent, f"{path.name} has {size:,} bytes", f"{listed['bytes']:,}")
    if listed and modified == listed["modified"]:
        return listed
    found = FileFacts(bytes=size, modified=modified, sha256=file_digest(path))
    if listed and found["sha256"] != listed["sha256"]:
        raise _damaged(path.parent, f"sha256 of {path.name} is {found['sha256']}", listed["sha256"])
    return found


def _damaged(folder: Path, found: str, said: str) -> UserError:
    return UserError(
        f"model {folder.name}: {found}, its {CARD} says {said}. Another run does not mend that: remove {folder}, then "
        "run the same command again, which makes the model anew"
    )
