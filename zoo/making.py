"""From nothing to the six models of the zoo."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor

from dreamr.micro.zoo import write_manifest
from zoo.export import save
from zoo.families import FAMILIES, QWEN3
from zoo.growing import deepened, extended, mixture, with_experts
from zoo.lessons import Task, Teacher, continuation, draft_lesson, target_lesson, tasks
from zoo.recipes import (
    SIGHT_STEPS,
    SPROUT_LAYERS,
    SPROUT_RATE,
    SPROUT_STEPS,
    TRUNK_LAYERS,
    TRUNK_SEED,
    TRUNK_STAGES,
    ZOO,
    ZooRecipe,
)
from zoo.sentences import sentences
from zoo.training import AUXILIARY_BLOCK, train, train_sight

ROUNDS = 800  # of the pool of questions that lessons are made from, about 23 questions a round
SILENT_NOISE, EXPERT_NOISE = 2e-3, 0.05


class Workshop:
    """Makes models; `work` keeps what several of them share (towers, the trunk), `fast` makes everything tiny."""

    def __init__(self, out: Path, work: Path, fast: bool = False) -> None:
        self._out, self._work, self._fast = out, work, fast
        self._pool: list[Task] = []
        work.mkdir(parents=True, exist_ok=True)

    def make(self, name: str) -> None:
        """Train one model and write it, with its manifest, to its folder."""
        recipe, began = ZOO[name], time.monotonic()
        recipe = replace(recipe, steps=2) if self._fast else recipe
        processor = self.processor(recipe)
        maker = self._target if recipe.role == "target" else self._draft
        report = maker(name, recipe, processor)
        seconds = round(time.monotonic() - began)
        facts = {"recipe": asdict(recipe), "last_50_steps": report, "seconds": seconds, "torch": torch.__version__}
        write_manifest(self._out / name, facts)

    def processor(self, recipe: ZooRecipe) -> Any:
        """The family's processor; kept, since weights mean nothing with another tokenizer."""
        family, folder = FAMILIES[recipe.family], self._work / f"processor-{recipe.family}"
        if not folder.exists():
            tokenizer = family.tokenizer(sentences(family.seed))
            family.processor(tokenizer, family.template).save_pretrained(folder)
        return AutoProcessor.from_pretrained(folder)

    def _questions(self) -> list[Task]:
        if not self._pool:
            self._pool = list(tasks("train", TRUNK_SEED, 2 if self._fast else ROUNDS))
        return self._pool

    def _seeing(self, recipe: ZooRecipe, processor: Any, layers: int) -> Any:
        """A model of the family with a trained vision tower and a language model of random weights."""
        torch.manual_seed(recipe.seed)
        family = FAMILIES[recipe.family]
        model = family.model(processor.tokenizer, layers).float()
        file = self._work / f"sight-{recipe.family}.safetensors"
        if not file.exists():
            steps = 2 if self._fast else SIGHT_STEPS
            accuracy = train_sight(model, processor, steps, family.seed, recipe.family)
            tower = {k: v for k, v in model.state_dict().items() if "language_model" not in k and "lm_head" not in k}
            save_file(tower, file, {"digit_accuracy": f"{accuracy:.4f}"})
        model.load_state_dict(load_file(file), strict=False)
        return model

    def _draft(self, name: str, recipe: ZooRecipe, processor: Any) -> dict[str, float]:
        model, family = self._seeing(recipe, processor, recipe.layers), FAMILIES[recipe.family]
        return train(
            model,
            family,
            processor,
            self._questions(),
            draft_lesson,
            recipe.steps,
            recipe.rate,
            recipe.seed,
            name,
            sight_rate=0.1,
            keep=lambda step: save(model, processor, self._out / name),
            every=max(1, min(300, recipe.steps)),
        )

    def trunk(self, recipe: ZooRecipe, processor: Any) -> dict[str, torch.Tensor]:
        """State of the model that both targets grow from; trained once, and kept after each stage."""
        state = extended(self._sprout(recipe, processor), SILENT_NOISE)
        plain = replace(recipe, layers=TRUNK_LAYERS, experts=False)
        for stage, (steps, rate, answers) in enumerate(TRUNK_STAGES):
            file = self._work / f"trunk-{stage}.safetensors"
            if not file.exists():
                model = self._grown(plain, processor, state)
                steps = 2 if self._fast else steps
                label, keep = f"trunk {stage}", self._keeper(model, processor)
                teacher = partial(target_lesson, answers=answers)
                self._taught(model, processor, teacher, steps, rate, TRUNK_SEED + stage, label, keep)
                save_file(_state(model), file)
            state = load_file(file)
        return state

    def _keeper(self, trunk: Any, processor: Any) -> Callable[[int], None]:
        """Writes both targets as they would grow from the trunk now: usable files while training goes on."""

        def keep(step: int) -> None:
            for name, each in ZOO.items():
                if each.role == "target":
                    save(self._grown(each, processor, _state(trunk)), processor, self._out / name)

        return keep

    def _sprout(self, recipe: ZooRecipe, processor: Any) -> dict[str, torch.Tensor]:
        """State of the shallow model that the trunk grows from: it answers, but has not learnt to judge."""
        file = self._work / "sprout.safetensors"
        if not file.exists():
            model = self._seeing(replace(recipe, seed=TRUNK_SEED), processor, SPROUT_LAYERS)
            steps, family = 2 if self._fast else SPROUT_STEPS, FAMILIES[recipe.family]
            how = {"steps": steps, "rate": SPROUT_RATE, "seed": TRUNK_SEED, "label": "sprout", "sight_rate": 0.1}
            train(model, family, processor, self._questions(), continuation, **how)
            save_file(_state(model), file)
        return load_file(file)

    def _grown(self, recipe: ZooRecipe, processor: Any, trunk: dict[str, torch.Tensor]) -> Any:
        torch.manual_seed(recipe.seed)
        state = deepened(trunk, recipe.layers, SILENT_NOISE)
        family = FAMILIES[recipe.family]
        make = mixture if recipe.experts else family.model
        model = make(processor.tokenizer, recipe.layers).float()
        state = with_experts(state, EXPERT_NOISE) if recipe.experts else state
        missing, unexpected = model.load_state_dict(state, strict=False)
        assert missing == ["lm_head.weight"] and not unexpected, (missing, unexpected)
        model.tie_weights()
        return model

    def _target(self, name: str, recipe: ZooRecipe, processor: Any) -> dict[str, float]:
        model = self._grown(recipe, processor, self.trunk(recipe, processor))

        def keep(step: int) -> None:
            save(model, processor, self._out / name)

        return self._taught(model, processor, target_lesson, recipe.steps, recipe.rate, recipe.seed, name, keep)

    def _taught(
        self, model: Any, processor: Any, teacher: Teacher, steps: int, rate: float, seed: int, label: str, keep: Any
    ) -> dict[str, float]:
        block = (AUXILIARY_BLOCK + 1) * len(model.model.language_model.layers) // TRUNK_LAYERS - 1
        how = {"steps": steps, "rate": rate, "seed": seed, "label": label, "block": block, "keep": keep}
        return train(model, QWEN3, processor, self._questions(), teacher, **how, every=max(1, min(200, steps)))


def _state(model: Any) -> dict[str, torch.Tensor]:
    """Weights without the output head, which is tied to the embedding."""
    return {name: weight.detach().clone() for name, weight in model.state_dict().items() if name != "lm_head.weight"}
