"""Training of the micro models: sight first, then answers and verdicts, then depth."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from tqdm import tqdm

from dreamr.micro.drawing import BACKGROUNDS, INKS, draw
from dreamr.micro.world import Grid, random_grid
from zoo.batches import Batch, Collator
from zoo.families import Family
from zoo.lessons import Lesson, Task, Teacher

BATCH = 32
SORTED = 2  # batches whose lessons are drawn together and sorted by length
AUXILIARY_BLOCK = 4  # 0-based: the output of the fifth of the trunk's six blocks


def scheduled(optimizer: torch.optim.Optimizer, steps: int, warm_up: int = 50) -> torch.optim.lr_scheduler.LambdaLR:
    """Linear warm-up, then linear decay to a hundredth."""
    warm_up = min(warm_up, max(1, steps // 5))

    def rate(step: int) -> float:
        return min((step + 1) / warm_up, max(0.01, 1 - (step - warm_up) / max(1, steps - warm_up)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


CLASSES = [10, 3, 3, 3, 3]  # digits, inks, marks, rows, columns

# Sight ---------------------------------------------------------------------------------------------------------------


def random_images(rng: np.random.Generator, count: int, part: str) -> tuple[list[Any], torch.Tensor]:
    """Images of one shape with random marks, and their cells' (digit, ink, mark, row, column), (cells, 5)."""
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(2, 4))
    grids = [_random_marks(rng, random_grid(rng, rows, columns)) for _ in range(count)]
    inks, marks = list(INKS), list(BACKGROUNDS)
    cells = [
        (digit, inks.index(ink), marks.index(mark), row, column)
        for grid in grids
        for row, line in enumerate(zip(grid.digits, grid.inks, grid.marks, strict=True))
        for column, (digit, ink, mark) in enumerate(zip(*line, strict=True))
    ]
    return [draw(grid, part, rng) for grid in grids], torch.tensor(cells)


def _random_marks(rng: np.random.Generator, grid: Grid) -> Grid:
    marks = rng.choice(list(BACKGROUNDS), (len(grid.digits), len(grid.digits[0]))).tolist()
    return grid.model_copy(update={"marks": tuple(tuple(row) for row in marks)})


def cell_features(model: Any, processor: Any, images: list[Any]) -> torch.Tensor:
    """What the language model is given per cell, (cells, hidden), for images of one shape."""
    inputs = dict(processor.image_processor(images, return_tensors="pt"))
    features = model.get_image_features(**inputs).pooler_output
    if "image_sizes" not in inputs:
        return torch.cat(list(features))
    columns = round(images[0].width / 30)
    # LLaVA-OneVision: the whole image first, and one token at the end of each line.
    return torch.cat([each[1:].unflatten(0, (-1, columns + 1))[:, :-1].flatten(0, 1) for each in features])


def train_sight(model: Any, processor: Any, steps: int, seed: int, label: str) -> float:
    """Teach the vision tower digit, ink, mark and place of each cell; returns the share of unseen digits read right."""
    rng = np.random.default_rng(seed)
    head = torch.nn.Linear(model.config.get_text_config().hidden_size, sum(CLASSES))
    weights = [p for name, p in model.named_parameters() if "language_model" not in name and "lm_head" not in name]
    optimizer = torch.optim.AdamW([*weights, *head.parameters()], lr=3e-3, weight_decay=0.05)
    schedule = scheduled(optimizer, steps)
    for _ in tqdm(range(steps), desc=f"{label}: sight", mininterval=5):
        images, cells = random_images(rng, 24, "train")
        scores = head(cell_features(model, processor, images)).split(CLASSES, dim=-1)
        loss = sum(F.cross_entropy(score, cells[:, k]) for k, score in enumerate(scores))
        _step(loss, optimizer, schedule, weights)
    return _sight_accuracy(model, processor, head, seed)


@torch.no_grad()
def _sight_accuracy(model: Any, processor: Any, head: torch.nn.Module, seed: int) -> float:
    rng, hits = np.random.default_rng(seed + 1), []
    for _ in range(20):
        images, cells = random_images(rng, 16, "test")
        scores = head(cell_features(model, processor, images)).split(CLASSES, dim=-1)
        hits.append(torch.stack([score.argmax(-1) == cells[:, k] for k, score in enumerate(scores)], -1).float())
    shares = torch.cat(hits).mean(0).tolist()
    print("sight on unseen handwriting: digit, ink, mark, row, column", [round(x, 4) for x in shares], flush=True)
    return shares[0]


def _step(loss: torch.Tensor, optimizer: torch.optim.Optimizer, schedule: Any, weights: list[torch.Tensor]) -> None:
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
    schedule.step()


# Answers and verdicts ------------------------------------------------------------------------------------------------


class Marker(torch.nn.Module):
    """The auxiliary head: marks each wrong token from the output of one block; thrown away after training."""

    def __init__(self, model: Any, block: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(model.config.get_text_config().hidden_size, 2)
        self._seen: torch.Tensor | None = None
        layers = model.model.language_model.layers
        self._hook = layers[min(block, len(layers) - 1)].register_forward_hook(self._keep)

    def _keep(self, module: Any, arguments: Any, output: Any) -> None:
        self._seen = output[0] if isinstance(output, tuple) else output

    def loss(self, marks: torch.Tensor) -> torch.Tensor:
        """Cross entropy over the asked tokens, wrong ones weighted to about half."""
        asked = marks >= 0
        if not asked.any():
            return marks.new_zeros(())
        weight = torch.tensor(4.0)
        return F.binary_cross_entropy_with_logits(self.head(self._seen)[asked], marks[asked], pos_weight=weight)

    def remove(self) -> None:
        self._hook.remove()


def losses(model: Any, batch: Batch, marker: Marker | None) -> dict[str, torch.Tensor]:
    """Answer, verdict and mark losses of one batch, and two accuracies."""
    hidden = model.model(**batch.inputs, use_cache=False).last_hidden_state
    asked = batch.labels[:, 1:] >= 0
    logits, labels = model.lm_head(hidden[:, :-1][asked]), batch.labels[:, 1:][asked]
    each = F.cross_entropy(logits, labels, reduction="none")
    hit, verdict = (logits.argmax(-1) == labels).float(), batch.verdict[:, 1:][asked]
    parts = {"answer": each[~verdict], "token_accuracy": hit[~verdict]}
    if verdict.any():
        words = verdict & (labels != labels[-1])  # not the end token, which is the last label
        parts |= {"verdict": each[words], "verdict_accuracy": hit[words]}
    if marker is not None:
        parts["mark"] = marker.loss(batch.marks)
    return {name: part.mean() for name, part in parts.items() if part.numel()}


WEIGHTS = {"answer": 1.0, "verdict": 0.5, "mark": 1.0}


def lessons(pool: list[Task], teacher: Teacher, seed: int) -> Iterator[list[Lesson]]:
    """Batches of lessons; each holds lessons of about one length, so that little is spent on padding."""
    rng = np.random.default_rng(seed)
    while True:
        drawn = sorted((teacher(pool[k], rng) for k in rng.integers(len(pool), size=BATCH * SORTED)), key=_length)
        for place in rng.permutation(SORTED):
            yield drawn[place * BATCH : (place + 1) * BATCH]


def _length(lesson: Lesson) -> int:
    return len(lesson.prompt.user) + len(lesson.prompt.answer) + len(lesson.prompt.request) + len(lesson.learn)


def train(
    model: Any,
    family: Family,
    processor: Any,
    pool: list[Task],
    teacher: Teacher,
    steps: int,
    rate: float,
    seed: int,
    label: str,
    block: int | None = None,
    sight_rate: float = 0.0,
    keep: Callable[[int], None] = lambda step: None,
    every: int = 250,
) -> dict[str, float]:
    """Supervised training; `block` gives the auxiliary head's place, `sight_rate` the tower's share of the rate.

    Returns the mean losses and accuracies of the last fifty steps. `keep` is called every `every` steps.
    """
    model.train()
    marker = None if block is None else Marker(model, block)
    weights, optimizer = _optimizer(model, marker, rate, sight_rate)
    schedule, collate = scheduled(optimizer, steps), Collator(family, processor)
    recent: list[dict[str, float]] = []
    began = time.monotonic()
    progress = tqdm(
        zip(range(steps), lessons(pool, teacher, seed), strict=False), total=steps, desc=label, mininterval=5
    )
    for step, group in progress:
        parts = losses(model, collate(group), marker)
        _step(
            sum(WEIGHTS[name] * part for name, part in parts.items() if name in WEIGHTS), optimizer, schedule, weights
        )
        recent = [*recent[-49:], {name: part.item() for name, part in parts.items()}]
        if (step + 1) % 50 == 0:
            told = " ".join(f"{name} {value:.3f}" for name, value in mean(recent).items())
            print(f"{label} step {step + 1} {time.monotonic() - began:.0f}s {told}", flush=True)
        if (step + 1) % every == 0:
            keep(step + 1)
            model.train()
    if marker is not None:
        marker.remove()
    model.eval()
    return mean(recent)


def _optimizer(
    model: Any, marker: Marker | None, rate: float, sight_rate: float
) -> tuple[list[torch.Tensor], torch.optim.Optimizer]:
    sight = [
        p for name, p in model.named_parameters() if "visual" in name or "vision_tower" in name or "projector" in name
    ]
    known = {id(p) for p in sight}
    others = [p for p in model.parameters() if id(p) not in known] + (list(marker.parameters()) if marker else [])
    for weight in sight:
        weight.requires_grad_(sight_rate > 0)
    groups = [{"params": others, "lr": rate}]
    if sight_rate > 0:
        groups.append({"params": sight, "lr": rate * sight_rate})
    return [*others, *sight], torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98))


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    names = {name for row in rows for name in row}
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in sorted(names)}
