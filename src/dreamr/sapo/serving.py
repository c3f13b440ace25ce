"""The two engines of a training, both owned by its first rank: the draft as it writes, the target as it judges."""

import asyncio
import hashlib
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from anyio.from_thread import BlockingPortal, start_blocking_portal

from dreamr.engines.vllm.engine import VllmEngine
from dreamr.engines.vllm.rollouts import Completion, Draw, RolloutEngine
from dreamr.planning.jobs import TrainJob
from dreamr.prompts import Prompt
from dreamr.sapo.judging import Answer, Judge
from dreamr.sapo.rewards import written_steps


class TokenizedPrompt(NamedTuple):
    """A prompt to be completed, with the tokens that the trainer reads for it."""

    prompt: Prompt
    ids: list[int]


class Served:
    """What a trainer asks of its engines. Calls block; between them, verdicts on what is written go on."""

    def __init__(self, job: TrainJob, portal: BlockingPortal, draft: RolloutEngine, target: VllmEngine) -> None:
        self._job, self._portal, self._draft = job, portal, draft
        self._judge = Judge(target, job.sapo.alpha)

    def take_weights(self, folder: Path) -> None:
        """Have the draft write with the weights in `folder`."""
        self._portal.call(self._draft.take_weights, folder)

    def complete(self, asked: Sequence[TokenizedPrompt], step: int) -> list[Completion]:
        """A group of completions for each prompt of a batch, in order. Each is judged from the moment it is written."""
        return self._portal.call(self._complete, asked, step)

    def verdicts(self, answers: Sequence[Answer]) -> list[list[bool]]:
        """Whether the target accepts each step of each answer of a batch."""
        return self._portal.call(self._judge.verdicts, answers)

    async def _complete(self, asked: Sequence[TokenizedPrompt], step: int) -> list[Completion]:
        for prompt, ids in asked:
            if (read := await self._draft.prompt_tokens(prompt)) != ids:
                raise ValueError(f"{self._job.name}: the engine reads {read} where the trainer reads {ids}")
        written = await self._draft.draw(
            draws := self._draws([prompt for prompt, _ in asked], step),
            temperature=self._job.sapo.temperature,
            max_tokens=self._job.generation.answer_tokens,
        )
        return await asyncio.gather(*(self._judged(draw.prompt, one) for draw, one in zip(draws, written, strict=True)))

    def _draws(self, prompts: Sequence[Prompt], step: int) -> list[Draw]:
        """A group for each prompt."""
        seed, group = self._job.generation.seed, range(self._job.sapo.group)
        return [
            Draw(prompt, _seed(seed, step, place, number)) for place, prompt in enumerate(prompts) for number in group
        ]

    async def _judged(self, prompt: Prompt, completion: Awaitable[Completion]) -> Completion:
        done = await completion
        self._judge.begin((prompt, written_steps(done.text)))
        return done


@contextmanager
def engines(job: TrainJob, models: Path) -> Iterator[Served]:
    """Both engines, from their start to their end."""
    draft = job.draft.model_copy(update={"engine": job.sapo.rollouts})
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(VllmEngine(models, job.target, job)) as target,
        portal.wrap_async_context_manager(RolloutEngine(models, draft, job)) as writer,
    ):
        yield Served(job, portal, writer, target)


def _seed(*place: int) -> int:
    """A seed of the training's own, the step, the prompt's place in the batch and the number in its group."""
    return int.from_bytes(hashlib.sha256(repr(place).encode()).digest()[:4]) >> 1
