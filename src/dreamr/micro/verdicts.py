"""Verdicts of the micro world's step oracle with set errors, in the place of a target's.

Shows what an answer owes to the quality of its verdicts. Loaded by name, by the methods that name this verifier alone:
no other answer depends on the micro world's code.
"""

import math
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dreamr.engines.protocol import Engine, Generation, Meter
from dreamr.micro.datasets import Fact
from dreamr.micro.oracle import is_right
from dreamr.micro.world import Truth
from dreamr.prompts import VERIFY, Prompt
from dreamr.provenance import uniform
from dreamr.records import read_rows
from dreamr.steps import split

Asked = tuple[str, tuple[str, ...]]  # what tells a question apart: its words and images


@dataclass(frozen=True)
class OracleEngine:
    """An engine that answers a request for a verdict by the step oracle; all else goes to `engine`.

    A right step is rejected in a share `false_reject` of places, a wrong one accepted in a share `false_accept`. Which,
    is decided by a number in [0, 1) that seed, question, prefix and step give: texts do not depend on timing, all
    methods meet the same errors, and those of a smaller share are among those of a larger one.
    """

    engine: Engine
    truths: Mapping[Asked, Truth]
    false_accept: float
    false_reject: float
    seed: int

    async def generate(self, prompt: Prompt, *, stop: str, max_tokens: int, meter: Meter) -> Generation:
        return await self.engine.generate(prompt, stop=stop, max_tokens=max_tokens, meter=meter)

    def stream(
        self, prompt: Prompt, *, stop: str, step_tokens: int, max_tokens: int, stepwise: bool, meter: Meter
    ) -> AsyncGenerator[Generation, None]:
        return self.engine.stream(
            prompt, stop=stop, step_tokens=step_tokens, max_tokens=max_tokens, stepwise=stepwise, meter=meter
        )

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        """All of the probability on the first of two keywords where the step is taken, else on the second."""
        assert prompt.request == VERIFY, prompt.request
        *before, step = split(prompt.answer)
        share = self._share(prompt)
        right = is_right(self.truths[prompt.user, prompt.images], step, before)
        taken = share >= self.false_reject if right else share < self.false_accept
        return (0.0, -math.inf) if taken else (-math.inf, 0.0)

    async def text_logprobs(self, prompt: Prompt, text: str) -> tuple[float, ...]:
        return await self.engine.text_logprobs(prompt, text)

    def _share(self, prompt: Prompt) -> float:
        images = [Path(image).name for image in prompt.images]  # named by their content, wherever they lie
        return uniform(self.seed, prompt.user, images, prompt.answer)

    def now(self) -> float:
        return self.engine.now()


def truths(folder: Path, asked: Iterable[tuple[str, str, Prompt]]) -> dict[Asked, Truth]:
    """The truth of each question (benchmark, id, prompt), from FOLDER/<benchmark>/truth.jsonl of the micro world."""
    questions = list(asked)
    known = {
        (name, fact.id): fact.truth
        for name in sorted({benchmark for benchmark, _, _ in questions})
        for fact in read_rows(folder / name / "truth.jsonl", Fact)
    }
    return {(prompt.user, prompt.images): known[benchmark, question] for benchmark, question, prompt in questions}
