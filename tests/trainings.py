"""What tests of trainings share: a small job, eight questions, a target that needs no model."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio.from_thread import start_blocking_portal
from families import SWITCH, TRUSTED

from dreamr.config import Recipe, Weights
from dreamr.planning.jobs import TrainJob
from dreamr.prompts import STEP_BREAK, Prompt
from dreamr.records import Question

if TYPE_CHECKING:
    from dreamr.engines.vllm.rollouts import Completion, RolloutEngine

SAPO = {
    **{"training_sets": ["t"], "questions": 8, "alpha": 0.7, "epochs": 1, "batch": 2, "updates": 2, "group": 4},
    **{"learning_rate": 1e-3, "clip": 0.2, "kl": 0.0, "temperature": 1.0, "micro_batch": 8, "checkpoint_steps": 1},
    **{"ranks": 1, "rollouts": {"dtype": "float32"}},
}


def job(draft: str, **changes: Any) -> TrainJob:
    def model(name: str) -> dict[str, Any]:
        own = {"trust_remote_code": name in TRUSTED, "chat_template_kwargs": [SWITCH] if name in TRUSTED else []}
        return {"name": name, "engine": {"dtype": "float32"}, "thinking": False, "digest": "", **own}

    weights = Weights(outcome=1, alignment=1, length=1)
    recipe = Recipe(weights=weights, final_weights=Weights(outcome=0, alignment=1, length=2))
    spec = {
        **{"name": "t", "made_with": "", "target": model("q3vl-deep"), "draft": model(draft)},
        "recipe": recipe.model_dump(),
        **{
            "sapo": SAPO | changes,
            "context_tokens": 1024,
            "images": {"min_pixels": 784, "max_pixels": 65536},
            "device": "cpu",
        },
        "generation": {
            **{"temperature": 0, "top_p": 1, "top_k": -1, "seed": 0},
            **{"step_tokens": 40, "answer_tokens": 96, "concurrency": 4},
        },
    }
    return TrainJob.model_validate_json(json.dumps(spec))


def eight_questions(folder: Path) -> list[Question]:
    """Eight questions of different lengths on images of different shapes."""
    from PIL import Image

    shapes = [(60, 60), (90, 60), (60, 90), (90, 90)] * 2
    rows = []
    for place, shape in enumerate(shapes):
        Image.effect_noise(shape, 90).convert("RGB").save(folder / f"{place}.png")
        prompt = "<image>" + "What is the sum of the digits in row 1? " * (1 + place % 3)
        rows.append(
            Question(id=str(place), dataset="t", prompt=prompt, images=(f"{place}.png",), gold=("7",), cluster="t")
        )
    (folder / "t.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in rows))
    return [row.model_copy(update={"origin": str(folder)}) for row in rows]


async def drawn(engine: "RolloutEngine", prompts: Sequence[Prompt]) -> "list[Completion]":
    """A completion of each prompt, in one batch."""
    from dreamr.engines.vllm.rollouts import Draw

    draws = [Draw(prompt, 7) for prompt in prompts]
    return await asyncio.gather(*await engine.draw(draws, temperature=1.0, max_tokens=96))


class ByLength:
    """A target whose verdicts depend on the text alone and differ within a group."""

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        step = prompt.answer.removesuffix(STEP_BREAK).rpartition(STEP_BREAK)[2]
        return (-0.1, -3.0) if len(step) % 2 == 0 else (-3.0, -0.1)


Made = Callable[..., Any]  # of a draft's name, a folder for checkpoints, and changes of SAPO's settings: its trainer


@contextmanager
def trainers(models: Path, questions: Sequence[Question]) -> Iterator[Made]:
    """Trainers of drafts for which real engines write. One engine a draft: each trainer gives it its weights."""
    from dreamr.engines.vllm.rollouts import RolloutEngine
    from dreamr.sapo.serving import Served
    from dreamr.sapo.trainer import make_trainer

    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())

        @cache
        def engine(draft: str) -> RolloutEngine:
            new = RolloutEngine(models, job(draft).draft, job(draft))
            return stack.enter_context(portal.wrap_async_context_manager(new))

        def made(draft: str, work: Path, **changes: Any) -> Any:
            spec = job(draft, **changes)
            served = Served(spec, portal, engine(draft), ByLength())
            return make_trainer(spec, models / draft, questions, questions[0].origin, served, work)

        yield made
