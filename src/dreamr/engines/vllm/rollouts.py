"""A draft as it writes completions in training: tokens with their log-probabilities, under weights that change."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from dreamr.engines.protocol import Meter
from dreamr.engines.vllm.engine import VllmEngine
from dreamr.prompts import Prompt

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.v1.engine.output_processor import RequestOutputCollector

NEVER = -100.0  # vLLM's bias of a token that must not be drawn


class Draw(NamedTuple):
    """A completion to be drawn: the same seed draws the same one."""

    prompt: Prompt
    seed: int


@dataclass(frozen=True)
class Completion:
    """What was drawn: tokens, the end token included, the log-probability of each, and the text."""

    ids: list[int]
    logprobs: list[float]
    text: str


class RolloutEngine(VllmEngine):
    """An engine of which a trainer draws, and whose weights it replaces."""

    # Log-probabilities are of the distribution that tokens are drawn from; nothing here is timed against another
    # engine, so vLLM may schedule ahead where it can.
    _arguments = MappingProxyType({"logprobs_mode": "processed_logprobs", "async_scheduling": None})

    async def draw(
        self, draws: Sequence[Draw], *, temperature: float, max_tokens: int
    ) -> list[Coroutine[Any, Any, Completion]]:
        """Have completions of a batch drawn, from all tokens but images'; each is awaited by itself.

        Log-probabilities round by what the engine computes together. All requests are there, in order, before the first
        is begun, so a batch has the same bytes however busy the machine is.
        """
        with self._vllm.alive():
            async with self._vllm.held():
                return [await self._send(draw, temperature, max_tokens) for draw in draws]

    async def _send(self, draw: Draw, temperature: float, max_tokens: int) -> Coroutine[Any, Any, Completion]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            temperature=temperature,
            seed=draw.seed,
            max_tokens=max_tokens,
            logprobs=0,  # of the drawn token alone
            logit_bias={self._vllm.image_token: NEVER},  # a drawn one would ask for an image that is not there
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        inputs = await self._inputs.request(draw.prompt)
        return self._drawn(draw.prompt, params, await self._vllm.send(str(next(self._numbers)), inputs, params))

    async def _drawn(self, prompt: Prompt, params: "SamplingParams", sent: "RequestOutputCollector") -> Completion:
        with self._vllm.alive():
            request = self._checked(prompt, params, self._vllm.received(sent, Meter()))
            done = [output async for output in request][-1].outputs[0]
        ids = list(done.token_ids)
        logprobs = [known[token].logprob for token, known in zip(ids, done.logprobs, strict=True)]
        return Completion(ids, logprobs, self._vllm.tokenizer.decode(ids, skip_special_tokens=True))

    async def take_weights(self, folder: Path) -> None:
        """Go on with the weights in `folder`, and forget what was computed by the former ones."""
        with self._vllm.alive():
            await self._vllm.take_weights(str(folder))
        await self.reset()
