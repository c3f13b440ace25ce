"""Any table: one question a row, in columns that the configuration names, free answers and options alike.

    {"id": "q1", "image": "pictures/cats.png", "question": "How many cats?", "options": ["1", "2"], "answer": "2"}

A cell of `image` is a path relative to the file, a picture's bytes, the struct that `datasets` writes, or a list of
such. A question may say by `<image>` where each picture goes; otherwise they come first. Options are a list, such a
list as text (in CSV), or one column each. Where there are options the answer is a letter, or an option's text.
"""

import ast
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from dreamr.components import Adapter
from dreamr.data.rows import LETTERS, Keep, Place, option_lines, text_or_none
from dreamr.errors import UserError
from dreamr.records import IMAGE_MARK, Question

ADAPTER = Adapter(columns=True)
USUAL = {  # columns of each field, where the configuration names none; the first that is there
    "id": ("id", "question_id", "index"),
    "question": ("question", "prompt", "problem"),
    "image": ("image", "images", "picture", "image_path"),
    "options": ("options", "choices"),
    "answer": ("answer", "gold", "label"),
    "cluster": ("cluster",),
    "category": ("category", "subject"),
}


def cells(row: Mapping[str, Any], field: str, place: Place) -> dict[str, Any]:
    """The cells of a field by column; {} where none is there and none was named."""
    named = place.columns.get(field)
    found = named or next(([name] for name in USUAL[field] if name in row), [])
    if missing := [name for name in found if name not in row]:
        raise UserError(f"{place}: no column {', '.join(missing)} ({field}); there are: {', '.join(row)}")
    return {name: row[name] for name in found}


def needed(row: Mapping[str, Any], field: str, place: Place) -> dict[str, Any]:
    """The cells of a field that every table has."""
    if found := cells(row, field, place):
        return found
    raise UserError(
        f"{place}: no column {' or '.join(USUAL[field])}; there are: {', '.join(row)}. Name the right one: "
        f"columns: {{{field}: ...}}"
    )


def questions(row: dict[str, Any], number: int, keep: Keep, place: Place) -> Iterator[Question]:
    options = option_texts(row, place)
    images = [keep(one) for one in pictures(row, place)]
    name = label(row, place, "id") or str(number)
    yield Question(
        id=name,
        dataset=place.data_set,
        prompt="\n".join([with_marks(row, place, len(images)), *option_lines(options)]),
        images=tuple(images),
        options=options,
        gold=gold(row, place, options),
        cluster=label(row, place, "cluster") or name,
        category=label(row, place, "category"),
    )


def label(row: dict[str, Any], place: Place, field: str) -> str:
    """A field that may be left out; "" then."""
    return next((text_or_none(value) or "" for value in cells(row, field, place).values()), "")


def with_marks(row: dict[str, Any], place: Place, images: int) -> str:
    """The question, with a mark for each of its images."""
    ((column, value),) = needed(row, "question", place).items()
    if not isinstance(value, str) or not value.strip():
        raise place.wrong(column, value, "a text")
    marks = value.count(IMAGE_MARK)
    if marks not in (0, images):
        raise place.wrong(column, value, f"{IMAGE_MARK} once for each of {images} images, or nowhere")
    return value.strip() if marks else IMAGE_MARK * images + value.strip()


def pictures(row: dict[str, Any], place: Place) -> Iterator[Image.Image]:
    """All images of a question."""
    for column, cell in needed(row, "image", place).items():
        for value in cell if isinstance(cell, list) else [cell]:
            yield picture(column, value, place)


def picture(column: str, value: Any, place: Place) -> Image.Image:
    """One image, whatever the table holds of it."""
    folder = Path(place.file).parent
    allowed = f"an image: its path relative to {folder}, or its bytes"
    if isinstance(value, Image.Image):
        return value
    if not value or not isinstance(value, str | bytes):
        raise place.wrong(column, value, allowed)
    try:
        image = Image.open(folder / value if isinstance(value, str) else BytesIO(value))
        image.load()
    except (OSError, ValueError) as error:
        raise place.wrong(column, value, f"{allowed} ({error})") from error
    return image


def option_texts(row: dict[str, Any], place: Place) -> tuple[str, ...]:
    """The options of a question; none where its answer is free."""
    found = cells(row, "options", place)
    if len(found) > 1:
        return tuple(text for value in found.values() if (text := text_or_none(value)))
    return next((_listed(column, value, place) for column, value in found.items()), ())


def _listed(column: str, value: Any, place: Place) -> tuple[str, ...]:
    """The options in one cell."""
    listed = value
    if isinstance(value, str):
        try:
            listed = ast.literal_eval(value) if value.strip() else None
        except (SyntaxError, ValueError):
            listed = value
    if listed is None:
        return ()
    if not isinstance(listed, list) or not 2 <= len(listed) <= len(LETTERS) or None in listed:
        raise place.wrong(column, value, f"a list of 2 to {len(LETTERS)} options, or nothing")
    return tuple(str(text).strip() for text in listed)


def gold(row: dict[str, Any], place: Place, options: tuple[str, ...]) -> tuple[str, ...]:
    """Accepted answers: the letter of an option, or one or more texts."""
    ((column, value),) = needed(row, "answer", place).items()
    texts = [str(one).strip() for one in (value if isinstance(value, list) else [value]) if one is not None]
    if not texts or not all(texts):
        raise place.wrong(column, value, "an answer")
    if not options:
        return tuple(texts)
    return tuple(_letter(text, column, place, options) for text in texts)


def _letter(text: str, column: str, place: Place, options: tuple[str, ...]) -> str:
    letters = LETTERS[: len(options)]
    if text in options:
        return letters[options.index(text)]
    if len(text) != 1 or text.upper() not in letters:
        raise place.wrong(column, text, f"a letter, {letters[0]} to {letters[-1]}, or one of {', '.join(options)}")
    return text.upper()
