from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dreamr.config import Pixels
from dreamr.engines.pictures import load_picture

PIXELS = Pixels(least=100, most=2000)


def loaded(picture: Image.Image) -> Image.Image:
    with TemporaryDirectory() as folder:
        picture.save(Path(folder) / "picture.png")
        return load_picture(Path(folder) / "picture.png", PIXELS)


@given(st.integers(1, 300), st.integers(1, 300))
def test_pictures_keep_the_caps_and_their_shape(width: int, height: int) -> None:
    picture = loaded(Image.new("RGB", (width, height)))
    assert PIXELS.least <= picture.width * picture.height <= PIXELS.most
    scale = (min(max(width * height, PIXELS.least), PIXELS.most) / (width * height)) ** 0.5
    assert abs(picture.width - width * scale) <= 1 and abs(picture.height - height * scale) <= 1
    assert scale != 1 or picture.size == (width, height)


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / ("picture.tiff" if mode == "CMYK" else "picture.png")
        Image.new(mode, (20, 20)).save(path)
        assert load_picture(path, PIXELS).mode == "RGB"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_become_white(mode: str) -> None:
    picture = Image.new(mode, (20, 20), 0)
    picture.paste(Image.new(mode, (10, 20), (0, 0, 0, 255) if mode == "RGBA" else (0, 255)), (0, 0))
    assert loaded(picture).getpixel((2, 2)) == (0, 0, 0)
    assert loaded(picture).getpixel((15, 2)) == (255, 255, 255)
