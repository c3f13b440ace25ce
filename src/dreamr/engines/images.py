"""Images as every model gets them: serving, training and quantization alike."""

from math import sqrt
from pathlib import Path

from PIL import Image

from dreamr.config import ImageSize


def load_image(path: str | Path, size: ImageSize) -> Image.Image:
    """The image at `path` in RGB, within the caps on its pixels.

    Transparent parts become white, as on a page (dark lines on a transparent ground would vanish on black). An image
    beyond a cap is resized, keeping its shape, before any model's own processor sees it: so all models see the same.
    """
    with Image.open(path) as opened:
        image = _on_white(opened)
    pixels = image.width * image.height
    scale = sqrt(min(max(pixels, size.min_pixels), size.max_pixels) / pixels)
    if scale == 1:
        return image
    # Rounded so that both caps hold: down where the image shrinks, up where it grows.
    width, height = [int(side * scale) if scale < 1 else int(side * scale + 1) for side in image.size]
    return image.resize((max(1, width), max(1, height)), Image.Resampling.BICUBIC)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
