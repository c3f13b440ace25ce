from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dreamr.config import ImageSize
from dreamr.engines.images import load_image

SIZE = ImageSize(min_pixels=100, max_pixels=2000)


def loaded(image: Image.Image) -> Image.Image:
    with TemporaryDirectory() as folder:
        image.save(Path(folder) / "image.png")
        return load_image(Path(folder) / "image.png", SIZE)


@given(st.integers(1, 300), st.integers(1, 300))
def test_images_keep_the_caps_and_their_shape(width: int, height: int) -> None:
    image = loaded(Image.new("RGB", (width, height)))
    assert SIZE.min_pixels <= image.width * image.height <= SIZE.max_pixels
    scale = (min(max(width * height, SIZE.min_pixels), SIZE.max_pixels) / (width * height)) ** 0.5
    assert abs(image.width - width * scale) <= 1 and abs(image.height - height * scale) <= 1
    assert scale != 1 or image.size == (width, height)


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / ("image.tiff" if mode == "CMYK" else "image.png")
        Image.new(mode, (20, 20)).save(path)
        assert load_image(path, SIZE).mode == "RGB"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_become_white(mode: str) -> None:
    image = Image.new(mode, (20, 20), 0)
    image.paste(Image.new(mode, (10, 20), (0, 0, 0, 255) if mode == "RGBA" else (0, 255)), (0, 0))
    assert loaded(image).getpixel((2, 2)) == (0, 0, 0)
    assert loaded(image).getpixel((15, 2)) == (255, 255, 255)
