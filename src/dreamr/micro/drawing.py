"""Grids of real handwritten digits, in colours, as small images."""

from functools import cache

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from dreamr.micro.world import Grid

CELL = 30  # px; rounds to one token of 28 px or 32 px, and to one tile of 32 px
INKS = {"red": (205, 30, 30), "green": (15, 135, 40), "blue": (30, 60, 210)}
BACKGROUNDS = {"": (255, 255, 255), "grey": (185, 185, 185), "yellow": (255, 235, 110)}
TICK = 40  # grey level
TRAINING_SHARE = 0.8


@cache
def samples(part: str) -> dict[int, np.ndarray]:
    """Handwritten digits by value, (n, 8, 8) in 0-255; `part` train shares no sample with the others.

    Planted questions are in the benchmarks' handwriting: but for their copies they must be like all others there.
    """
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    cut = int(len(order) * TRAINING_SHARE)
    chosen = order[:cut] if part == "train" else order[cut:]
    images = (data.images * (255 / 16)).astype(np.uint8)
    return {digit: images[chosen[data.target[chosen] == digit]] for digit in range(10)}


def draw_digit(digit: int, part: str, rng: np.random.Generator) -> np.ndarray:
    """One handwritten digit as ink coverage in 0-1, CELL x CELL, jittered in size, angle and place."""
    pool = samples(part)[digit]
    size = int(rng.integers(22, 27))
    glyph = Image.fromarray(pool[rng.integers(len(pool))]).resize((size, size), Image.Resampling.BICUBIC)
    canvas = Image.new("L", (CELL, CELL))
    left, top = (int(rng.integers(0, CELL - size + 1)) for _ in range(2))
    canvas.paste(glyph, (left, top))
    turned = canvas.rotate(float(rng.uniform(-8, 8)), Image.Resampling.BILINEAR)
    return np.asarray(turned, dtype=np.float32) / 255


def draw_cell(digit: int, ink: str, mark: str, part: str, rng: np.random.Generator) -> np.ndarray:
    """One cell, CELL x CELL x 3."""
    coverage = draw_digit(digit, part, rng)[..., None]
    return np.asarray(coverage * np.array(INKS[ink]) + (1 - coverage) * np.array(BACKGROUNDS[mark]))


def add_ticks(image: np.ndarray) -> None:
    """Number rows and columns: cell (r, c) has r ticks on its left edge and c on its upper one.

    Without them a model must count cells to find one, and models this small do not learn that in minutes.
    """
    for top in range(0, image.shape[0], CELL):
        for left in range(0, image.shape[1], CELL):
            for k in range(top // CELL + 1):
                image[top + 3 + 4 * k : top + 5 + 4 * k, left : left + 3] = TICK
            for k in range(left // CELL + 1):
                image[top : top + 3, left + 3 + 4 * k : left + 5 + 4 * k] = TICK


def draw(grid: Grid, part: str, rng: np.random.Generator) -> Image.Image:
    """The image of `grid`, with handwriting from `part` (train, test, or planted, which is like test)."""
    rows = [
        np.concatenate([draw_cell(*cell, part, rng) for cell in zip(digits, inks, marks, strict=True)], axis=1)
        for digits, inks, marks in zip(grid.digits, grid.inks, grid.marks, strict=True)
    ]
    image = np.concatenate(rows)
    add_ticks(image)
    return Image.fromarray(image.round().astype(np.uint8))
