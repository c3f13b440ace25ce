"""What simulated models say: scripts for tests, and recorded traces to be replayed under other costs."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from dreamr.engines.protocol import Generation
from dreamr.prompts import STEP_BREAK, Prompt
from dreamr.steps import split

_WORD = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True)
class Script:
    """A model made of two functions of the steps so far. A word is a token, so is the blank line.

    `step` gives the next step, with its blank line, or without one where the end token follows. `verdict` gives the
    probability of the first of two keywords, the last of the steps being the one that is judged.
    """

    step: Callable[[tuple[str, ...]], str]
    verdict: Callable[[tuple[str, ...]], float] = lambda steps: 0.5

    def write(self, prompt: Prompt, room: int) -> Generation:
        """The next step or, behind a capped one, its rest."""
        head, _, begun = prompt.answer.rpartition(STEP_BREAK)
        step = self.step(split(head + STEP_BREAK) if head else ())
        words = _WORD.findall(step.removeprefix(begun))
        ends = not step.endswith(STEP_BREAK)
        if len(words) + ends > room:
            return Generation("".join(words[:room]), room, "length")
        text = "".join(words).removesuffix(STEP_BREAK)
        return Generation(text, len(words) + ends, "end" if ends else "stop")

    def logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        """Of two keywords: p and 1 - p; of ten digits: all on the one that p falls on."""
        p = self.verdict(split(prompt.answer))
        if len(keywords) == 2:
            return _log(p), _log(1 - p)
        return tuple(_log(float(place == min(int(p * 10), 9))) for place in range(len(keywords)))


def _log(p: float) -> float:
    return math.log(p) if p > 0 else -math.inf
