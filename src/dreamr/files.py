"""Files that are whole or not there at all."""

from collections.abc import Iterable
from pathlib import Path


def write_atomically(path: Path, text: str | Iterable[str]) -> None:
    """Write `text`, or its parts one after the other, to `path` in one move; its folder is made where it is missing.

    Whoever reads `path` at the same time finds the old content or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as out:
        out.writelines([text] if isinstance(text, str) else text)
    part.replace(path)
