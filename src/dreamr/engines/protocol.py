"""What a reasoning loop may ask of a model, whatever serves it.

Two engines speak this protocol: vLLM (measured time) and the virtual clock (simulated time). Loops know nothing else.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from dreamr.errors import Died, UserError
from dreamr.prompts import Prompt

Finish = Literal["stop", "end", "length"]  # stop string seen, end token, cap on tokens reached
Last = Literal["end", "length"]  # how tokens end that no stop string ends
Tokens = AsyncGenerator[tuple[int, Last | None], None]  # each with how they ended, if it is the last one
Source = Callable[[Prompt, int], Tokens]  # of tokens behind a prompt, so many at most


@dataclass(frozen=True)
class Generation:
    """One finished request."""

    text: str  # without the stop string
    tokens: int  # generated, the stop string's included
    finish: Finish


FULL = "context_tokens"  # the first word of a refusal where the context is full


class Refused(UserError):
    """A request that `model`'s engine never answers, while it goes on with others: `why`, and what would mend it.

    A prompt that is too long, images that it does not take, a verdict that is no number. The same prompt is refused
    whenever it is asked.
    """

    def __init__(self, model: str, why: str) -> None:
        super().__init__(f"model {model}: {why}")
        self.model, self.why = model, why


class EngineDied(Died):
    """The process that serves a model is gone; no request to it will ever be answered."""


@dataclass
class Meter:
    """Tokens that a request has generated so far; the engine keeps it up to date, so a cancelled request counts too."""

    tokens: int = 0


class Engine(Protocol):
    """One model that serves many requests at once.

    A request is cancelled by cancelling the task that awaits it; the engine then drops it at its next step. One that it
    cannot answer is Refused; a stream yields the steps that it could write before.
    """

    async def generate(self, prompt: Prompt, *, stop: str, max_tokens: int, meter: Meter) -> Generation:
        """Continue `prompt.answer` until `stop`, the end token or `max_tokens`.

        Sampling settings and seed belong to the engine: the same prompt gives the same text.
        """
        ...

    def stream(
        self, prompt: Prompt, *, stop: str, step_tokens: int, max_tokens: int, stepwise: bool, meter: Meter
    ) -> AsyncGenerator[Generation, None]:
        """Continue `prompt.answer` to the end token or `max_tokens`; yield each step once it is written.

        A step ends at `stop`, at the end token or after `step_tokens`. One that is cut there has finish "length", and
        the next goes on where it stopped. The generator ends behind the end token or once `max_tokens` are spent. With
        greedy sampling all steps come from one request, and are those of `generate`, asked step by step. With other
        sampling they are so only where `stepwise`, at the price of a request each, since a request has one seed.
        Closing the generator, or cancelling the task that reads it, drops the request.
        """
        ...

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        """Log-probability of each keyword as the next token, in their order.

        A keyword's probability is summed over its case and leading-blank variants that are single tokens; where there
        are none, over the tokens that its variants begin with. Never NaN, nor -inf for all: those are Refused.
        """
        ...

    async def text_logprobs(self, prompt: Prompt, text: str) -> tuple[float, ...]:
        """Log-probability of each token of `text` behind `prompt.answer`, whoever wrote it; of no text: ().

        The prompt has no request. It is read anew, from its first token on: no prefix cache keeps what this needs.
        Never NaN: that is Refused.
        """
        ...

    def now(self) -> float:
        """Seconds on this engine's clock."""
        ...


class Choice(NamedTuple):
    """A model's likeliest next token, and whether it ends the answer."""

    token: int
    ends: bool


@runtime_checkable
class TokenEngine(Engine, Protocol):
    """An engine that is asked token by token too, for models that share a tokenizer. All is greedy.

    `behind` are tokens behind `prompt.answer`; the prompt has no request.
    """

    @property
    def tokenizer(self) -> str:
        """What tells its tokenizer from another: models of one have the same numbers for the same tokens."""
        ...

    async def propose(
        self, prompt: Prompt, behind: tuple[int, ...], *, max_tokens: int, meter: Meter
    ) -> tuple[int, ...]:
        """The next tokens, up to the end token, which is not among them, or to the end of the context."""
        ...

    async def choices(self, prompt: Prompt, behind: tuple[int, ...], proposed: tuple[int, ...]) -> tuple[Choice, ...]:
        """This model's own next token behind none, one, ... and all of the `proposed` ones, as far as the context goes.

        That is one more than are proposed, and one at least.
        """
        ...

    def steps(
        self, prompt: Prompt, tokens: Source, *, stop: str, step_tokens: int, max_tokens: int
    ) -> AsyncGenerator[Generation, None]:
        """The steps that `stream` would yield if it wrote these tokens."""
        ...


class Reader(Protocol):
    """An engine that tells what it would read."""

    async def prompt_tokens(self, prompt: Prompt) -> list[int]:
        """The tokens of a prompt, image places included; images that it does not take are Refused."""
        ...

    def text_tokens(self, text: str) -> int:
        """The number of tokens of an answer's text. What is counted makes no later request faster."""
        ...
