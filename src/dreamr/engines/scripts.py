"""What simulated models say in tests."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from dreamr.engines.protocol import Generation
from dreamr.prompts import STEP_BREAK, Prompt
from dreamr.steps import split

_WORD = re.compile(r"\s*\S+|\s+")
END = 0  # the end token


class WordTokens:
    """The tokenizer of simulated models: a token is a word with the blanks before it; its number holds all of that."""

    def encode(self, text: str) -> tuple[int, ...]:
        """The tokens of a text."""
        return tuple(int.from_bytes(word.encode(), "big") for word in _WORD.findall(text))

    def decode(self, *tokens: int) -> str:
        """The text of tokens; that of the end token is empty."""
        return b"".join(token.to_bytes((token.bit_length() + 7) // 8, "big") for token in tokens).decode()

    def detokenizer(self) -> Callable[[int], str]:
        """`decode`, one token after the other."""
        return self.decode

    def of(self, step: Generation) -> tuple[int, ...]:
        """The tokens of a step, those of the blank line or the end behind it among them."""
        text = step.text + STEP_BREAK * (step.finish == "stop")
        return self.encode(text) + (END,) * (step.finish == "end")


WORDS = WordTokens()


@dataclass(frozen=True)
class Script:
    """A model made of two functions of the steps so far. A word is a token, so is the blank line.

    `step` gives the next step, with its blank line, or without one where the end token follows. `verdict` gives the
    probability of the first of two keywords, the last of the steps being the one that is judged. `likely` gives that of
    each word of the last step.
    """

    step: Callable[[tuple[str, ...]], str]
    verdict: Callable[[tuple[str, ...]], float] = lambda steps: 0.5
    likely: Callable[[tuple[str, ...]], float] = lambda steps: 0.5

    def write(self, prompt: Prompt, room: int) -> Generation:
        """The next step or, behind a capped one, its rest."""
        head, ended, begun = prompt.answer.rpartition(STEP_BREAK)
        step = self.step(split(head + ended) if ended else ())
        words = _WORD.findall(step.removeprefix(begun))
        ends = not step.endswith(STEP_BREAK)
        tokens = len(words) + 1 if ends else len(words)  # the end token is one
        if tokens > room:
            return Generation("".join(words[:room]), room, "length")
        return Generation("".join(words).removesuffix(STEP_BREAK), tokens, "end" if ends else "stop")

    def logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        """Of two keywords: p and 1 - p; of ten digits: all on the one that p falls on."""
        p = self.verdict(split(prompt.answer))
        if len(keywords) == 2:
            return log(p), log(1 - p)
        return tuple(log(float(place == min(int(p * 10), 9))) for place in range(len(keywords)))

    def text_logprobs(self, prompt: Prompt, text: str) -> tuple[float, ...]:
        """The same for each word of the text."""
        return (log(self.likely(split(prompt.answer + text))),) * len(_WORD.findall(text))


def log(p: float) -> float:
    """The logarithm of a probability; of none, -inf."""
    return math.log(p) if p > 0 else -math.inf
