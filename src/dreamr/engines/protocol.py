"""What a reasoning loop may ask of a model, whatever serves it.

Two engines speak this protocol: vLLM (measured time) and the virtual clock (simulated time). Loops know nothing else.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from dreamr.prompts import Prompt


@dataclass(frozen=True)
class Generation:
    """One finished request."""

    text: str  # without the stop string
    tokens: int  # generated, the stop string's included
    finish: Literal["stop", "end", "length"]  # stop string seen, end token, cap on tokens reached


class Engine(Protocol):
    """One model that serves many requests at once.

    A request is cancelled by cancelling the task that awaits it; the engine then drops it at its next step.
    """

    async def generate(self, prompt: Prompt, *, stop: str, max_tokens: int) -> Generation:
        """Continue `prompt.answer` until `stop`, the end token or `max_tokens`.

        Sampling settings and seed belong to the engine: the same prompt gives the same text.
        """
        ...

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        """Log-probability of each keyword as the next token, in their order.

        A keyword's probability is summed over its case and leading-blank variants that are single tokens.
        """
        ...

    def now(self) -> float:
        """Seconds on this engine's clock."""
        ...
