"""Pictures as every model gets them: serving, training and quantization alike."""

from math import sqrt
from pathlib import Path

from PIL import Image

from dreamr.config import Pixels


def load_picture(path: str | Path, pixels: Pixels) -> Image.Image:
    """The picture at `path` in RGB, within the caps on its pixels.

    Transparent parts become white, as on a page (dark lines on a transparent ground would vanish on black). A picture
    beyond a cap is resized, keeping its shape, before any model's own processor sees it: so all models see the same.
    """
    with Image.open(path) as opened:
        picture = _on_white(opened)
    scale = sqrt(min(max(picture.width * picture.height, pixels.least), pixels.most) / (picture.width * picture.height))
    if scale == 1:
        return picture
    # Rounded so that both caps hold: down where the picture shrinks, up where it grows.
    size = [int(side * scale) if scale < 1 else int(side * scale + 1) for side in picture.size]
    return picture.resize((max(1, size[0]), max(1, size[1])), Image.Resampling.BICUBIC)


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
