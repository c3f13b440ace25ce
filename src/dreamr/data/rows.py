"""What the adapters share: columns that are checked, images that are kept by content, option lines."""

import hashlib
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from dreamr.errors import UserError

SHOWN = 200  # characters of a wrong value
LETTERS = string.ascii_uppercase
Keep = Callable[[Image.Image], str]  # stores an image, returns its path relative to the folder of the rows


def bad_value(data_set: str, number: int, name: str, value: object, allowed: str) -> UserError:
    """What a row has in the place of what it should have."""
    shown = repr(value)
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + " ..."
    return UserError(f"{data_set}, row {number}, column {name}: found {shown}, expected {allowed}")


@dataclass(frozen=True)
class Place:
    """Where a row stands, and its columns by field, as the configuration names them."""

    data_set: str
    file: str
    row: int  # of the file, counted from 1
    columns: Mapping[str, tuple[str, ...]]

    def wrong(self, column: str, value: object, allowed: str) -> UserError:
        """What a cell holds in the place of what it should."""
        return bad_value(str(self), self.row, column, value, allowed)

    def __str__(self) -> str:
        return f"{self.data_set}, {self.file}"


def column(
    data_set: str,
    number: int,
    row: dict[str, Any],
    name: str,
    kind: type | tuple[type, ...],
    allowed: tuple[Any, ...] | None = None,
) -> Any:
    """The value of a column that must be there, of type `kind` and, if given, among `allowed`; otherwise stop."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    value = row.get(name)
    if value is None or not isinstance(value, kinds):
        raise bad_value(data_set, number, name, value, " or ".join(each.__name__ for each in kinds))
    if allowed is not None and value not in allowed:
        raise bad_value(data_set, number, name, value, f"one of {', '.join(map(str, allowed))}")
    return value


def image(data_set: str, number: int, row: dict[str, Any], name: str) -> Image.Image:
    """The image of a column that must hold one; otherwise stop."""
    found: Image.Image = column(data_set, number, row, name, Image.Image)
    return found


def text_or_none(value: object) -> str | None:
    """A text, or None for the three ways in which mirrors write that there is none: null, "" and "nan"."""
    text = "" if value is None else str(value).strip()
    return None if text.lower() in ("", "nan") else text


def option_lines(options: tuple[str, ...]) -> list[str]:
    """Options as the lines of a question: `A. ...`."""
    return [f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False)]


class Album:
    """Images of one folder as PNG files named by content."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        (self._folder / "images").mkdir(parents=True, exist_ok=True)

    def __call__(self, image: Image.Image) -> str:
        image = image.convert("RGB")
        name = f"images/{hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()[:20]}.png"
        if not (self._folder / name).exists():
            image.save(self._folder / name)
        return name
