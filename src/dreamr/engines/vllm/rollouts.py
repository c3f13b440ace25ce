"""A draft as it writes completions in training: tokens with their log-probabilities, under weights that change."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from dreamr.engines.protocol import Meter
from dreamr.engines.vllm.engine import VllmEngine
from dreamr.prompts import Prompt

NEVER = -100.0  # vLLM's bias of a token that must not be drawn


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

    async def complete(self, prompt: Prompt, *, temperature: float, max_tokens: int, seed: int) -> Completion:
        """Draw one completion, from all tokens but images'."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            temperature=temperature,
            seed=seed,
            max_tokens=max_tokens,
            logprobs=0,  # of the drawn token alone
            logit_bias={self._vllm.image_token: NEVER},  # a drawn one would ask for an image that is not there
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        done = (await self._last(prompt, params, Meter())).outputs[0]
        ids = list(done.token_ids)
        logprobs = [known[token].logprob for token, known in zip(ids, done.logprobs, strict=True)]
        return Completion(ids, logprobs, self._vllm.tokenizer.decode(ids, skip_special_tokens=True))

    async def take_weights(self, folder: Path) -> None:
        """Go on with the weights in `folder`, and forget what was computed by the former ones."""
        with self._vllm.alive():
            await self._vllm.take_weights(str(folder))
        await self.reset()
