"""Completions for TRL by an engine of ours, over all ranks, and the weights that it writes them with.

TRL 1.16 asks its `vllm_generation` for two things, and leaves all else about vLLM alone: to take up the weights of the
step, and to complete token prompts. Its own ways to start vLLM were tried and left: on a CPU they do not load weights,
and they expand image tokens twice (its issue 6294).
"""

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from dreamr.engines.vllm.rollouts import Completion
from dreamr.errors import UserError
from dreamr.models.folders import weights_type
from dreamr.prompts import Prompt
from dreamr.sapo.ranks import on_first
from dreamr.sapo.serving import Served, TokenizedPrompt

IN_MEMORY = Path("/dev/shm")  # weights go from trainer to engine by files that never touch a disk


def check_room(draft: Path, dtype: str) -> None:
    """UserError where the memory for files (in a container often 64 MB) has no room for a draft's weights."""
    stored = sum(file.stat().st_size for file in draft.glob("*.safetensors"))
    needed = stored // weights_type(draft).itemsize * getattr(torch, dtype).itemsize
    if IN_MEMORY.is_dir() and (free := shutil.disk_usage(IN_MEMORY).free) < needed:
        raise UserError(
            f"model {draft.name}: its weights go to the engine through {IN_MEMORY}, which has {free / 1e9:.2f} of the "
            f"{needed / 1e9:.2f} GB that they need. Give the machine or container more (docker run --shm-size)"
        )


class Rollouts:
    """Speaks TRL's `VLLMGeneration` as far as a trainer asks. `served` are the engines, on the first rank alone."""

    def __init__(self, served: Served | None, write: Callable[[Path], None], step: Callable[[], int]) -> None:
        self._served, self._write, self._step = served, write, step
        self.prompts: list[Prompt] = []  # of the next call; TRL hands on their tokens only

    def sync_weights(self) -> None:
        """Give the engine the weights of this step. All ranks take part, since each may hold a share of them."""
        with TemporaryDirectory(prefix="dreamr-weights-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
            self._write(Path(folder))
            if self._served:
                self._served.take_weights(Path(folder))

    def generate(
        self,
        prompts: list[list[int]],
        images: Any,
        num_generations: int,
        profiler: AbstractContextManager[Any],
    ) -> tuple[list[list[int]], list[list[int]], list[list[list[float]]], None]:
        """One completion for each row; rows of a prompt follow each other, `num_generations` of them over all ranks."""
        rows = [TokenizedPrompt(*row) for row in zip(self.prompts, prompts, strict=True)]
        with profiler:
            done = on_first(lambda every: self._complete(every, num_generations), rows)
        logprobs = [[[logprob] for logprob in completion.logprobs] for completion in done]
        return prompts, [completion.ids for completion in done], logprobs, None

    def _complete(self, rows: Sequence[TokenizedPrompt], group: int) -> list[Completion]:
        assert self._served and all(row == rows[place - place % group] for place, row in enumerate(rows))
        return self._served.complete(rows[::group], self._step())
