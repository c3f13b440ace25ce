"""A model served by vLLM in the job's own process tree, on the CPU or on GPUs. It speaks `engines.protocol.Engine`."""

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import astuple, replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from dreamr.config import ModelRef, tokenizer_digest
from dreamr.cpn import KEYWORDS
from dreamr.engines.chat import Chat
from dreamr.engines.protocol import Choice, Finish, Generation, Meter, Refused, Source, Tokens
from dreamr.engines.vllm.inputs import Inputs, Settings, Vocabulary, pieces
from dreamr.engines.vllm.launch import Ngram, start
from dreamr.engines.written import steps_of
from dreamr.errors import UserError
from dreamr.prompts import STEP_BREAK, VERIFY, Prompt

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams

SHOWN = 80  # characters of a step in an error


class VllmEngine:
    """One model, from `async with` to its end. Text, not tokens, goes in and out.

    The model's folder among `models` holds weights, tokenizer, processor and chat template. A prompt longer than
    `context_tokens`, which cap prompt plus answer, is Refused. With `ngram` the engine generates only: vLLM then
    returns no log-probabilities.
    """

    _arguments: Mapping[str, Any] = MappingProxyType({})  # of vLLM, beside those of every engine

    def __init__(
        self, models: Path, model: ModelRef, settings: Settings, ngram: Ngram | None = None, cpu_threads: int = 1
    ) -> None:
        self.name = model.name
        self._folder, self._model, self._settings, self._ngram = str(models / model.name), model, settings, ngram
        self._cpu_threads = cpu_threads
        self._sampling = settings.generation
        self._numbers = count()

    async def __aenter__(self) -> Self:
        """Load the model. One that cannot be loaded is a UserError; EngineDied where another try may succeed."""
        self._vllm = start(self._folder, self._model, self._settings, self._ngram, self._cpu_threads, self._arguments)
        self._words = Vocabulary(self._vllm.tokenizer, self.name)
        chat = Chat(self._vllm.processor, self._model.thinking, self._model.chat_template_kwargs)
        self._inputs = Inputs(self._vllm, chat, self._words, self._settings)
        with self._vllm.alive():
            await self._vllm.ready()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._vllm.shutdown()
        del self._vllm

    def now(self) -> float:
        return time.perf_counter()

    async def generate(self, prompt: Prompt, *, stop: str, max_tokens: int, meter: Meter) -> Generation:
        from vllm.sampling_params import RequestOutputKind

        params = self._params(prompt, max_tokens, output_kind=RequestOutputKind.FINAL_ONLY, **self._stop(stop))
        output = await self._last(prompt, params, meter)
        return _generation(output, stop)

    def stream(
        self, prompt: Prompt, *, stop: str, step_tokens: int, max_tokens: int, stepwise: bool, meter: Meter
    ) -> AsyncGenerator[Generation, None]:
        """As in the protocol. A request has one seed, so a sampled step is begun anew where that counts."""
        anew = stepwise and self._sampling.temperature > 0
        return steps_of(
            self._words,
            prompt,
            partial(self._tokens, meter=meter),
            stop=stop,
            step_tokens=step_tokens,
            max_tokens=max_tokens,
            anew=anew,
        )

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        from vllm.sampling_params import RequestOutputKind

        if self._ngram:
            raise ValueError(f"{self.name}: an engine with n-gram speculation returns no log-probabilities")
        tokens = self._words.variants(keywords)
        params = self._params(
            prompt,
            1,
            logprob_token_ids=[token for variants in tokens for token in variants],
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        logprobs = (await self._last(prompt, params, Meter())).outputs[0].logprobs[0]
        sums = tuple(_log_sum_exp([logprobs[token].logprob for token in variants]) for variants in tokens)
        if any(map(math.isnan, sums)) or max(sums) == -math.inf:
            raise no_verdict(self.name, self._model.engine.dtype, prompt, dict(zip(keywords, sums, strict=True)))
        return sums

    async def text_logprobs(self, prompt: Prompt, text: str) -> tuple[float, ...]:
        """As in the protocol. Where the text joins the answer's last token, that token's counts with it."""
        from vllm.sampling_params import RequestOutputKind

        assert not prompt.request, prompt.request
        if self._ngram:
            raise ValueError(f"{self.name}: an engine with n-gram speculation returns no log-probabilities")
        whole = replace(prompt, answer=prompt.answer + text)
        before, ids = await self._inputs.tokens(prompt), await self._inputs.tokens(whole)
        first = next(
            (place for place, pair in enumerate(zip(before, ids, strict=False)) if len({*pair}) > 1), len(before)
        )
        params = self._params(whole, 1, prompt_logprobs=0, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY)
        read = (await self._last(whole, params, Meter())).prompt_logprobs
        found = tuple(read[place][ids[place]].logprob for place in range(first, len(ids)))
        if any(map(math.isnan, found)):
            raise Refused(
                self.name, f"log-probabilities of {text[:SHOWN]!r} are no numbers: {_cause(self._model.engine.dtype)}"
            )
        return found

    @cached_property
    def tokenizer(self) -> str:
        """As in the protocol."""
        return tokenizer_digest(self._vllm.tokenizer.backend_tokenizer.to_str())

    async def propose(
        self, prompt: Prompt, behind: tuple[int, ...], *, max_tokens: int, meter: Meter
    ) -> tuple[int, ...]:
        """As in the protocol."""
        room = self._settings.context_tokens - await self._read_tokens(prompt, behind)
        done = (await self._greedy(prompt, behind, max(1, min(max_tokens, room)), meter)).outputs[0]
        return tuple(done.token_ids[:-1] if done.finish_reason == "stop" else done.token_ids)

    async def choices(self, prompt: Prompt, behind: tuple[int, ...], proposed: tuple[int, ...]) -> tuple[Choice, ...]:
        """As in the protocol, by one request that reads the proposed tokens.

        vLLM leaves its cache of prefixes alone where it has to tell of a prompt's tokens, unless it is told not to. Of
        what the cache holds it then tells nothing, so where that is more than the answer so far, it is asked anew.
        """
        first = await self._read_tokens(prompt, behind)
        proposed = proposed[: max(0, self._settings.context_tokens - first - 1)]
        ask = partial(self._greedy, prompt, behind + proposed, 1, Meter(), prompt_logprobs=1)
        read = await ask(skip_reading_prefix_cache=False)
        if read.num_cached_tokens >= first:
            read = await ask()
        likeliest = map(_likeliest, read.prompt_logprobs[first:])
        tokens = (*likeliest, read.outputs[0].token_ids[0])
        return tuple(Choice(token, token in self._vllm.end_tokens) for token in tokens)

    def steps(
        self, prompt: Prompt, tokens: Source, *, stop: str, step_tokens: int, max_tokens: int
    ) -> AsyncGenerator[Generation, None]:
        """As in the protocol."""
        return steps_of(self._words, prompt, tokens, stop=stop, step_tokens=step_tokens, max_tokens=max_tokens)

    async def _read_tokens(self, prompt: Prompt, behind: tuple[int, ...]) -> int:
        """How many tokens the model reads."""
        return len(await self._inputs.tokens(prompt)) + len(behind)

    async def _greedy(
        self, prompt: Prompt, behind: tuple[int, ...], max_tokens: int, meter: Meter, **asked: Any
    ) -> "RequestOutput":
        from vllm.sampling_params import RequestOutputKind

        if self._sampling.temperature > 0:
            raise UserError(
                f"{self.name}: token by token all is greedy: generation.temperature is {self._sampling.temperature}, "
                "and has to be 0"
            )
        params = self._params(prompt, max_tokens, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY, **asked)
        return await self._last(prompt, params, meter, behind)

    async def prompt_tokens(self, prompt: Prompt) -> list[int]:
        """The tokens that the model reads, image places included."""
        return await self._inputs.tokens(prompt)

    def text_tokens(self, text: str) -> int:
        """The number of tokens of an answer's text, step by step as it is read; no piece is remembered for that."""
        return sum(len(self._words.encode_once(piece)) for piece in pieces(text))

    async def warm_up(self, prompt: Prompt, tokens: int = 8) -> None:
        """Run what later requests run, also side by side, so that none of them pays for first times."""
        await self.reset()  # also waits for vLLM's own warm-up of the image processor
        stream = self.stream(
            prompt, stop=STEP_BREAK, step_tokens=tokens, max_tokens=tokens, stepwise=False, meter=Meter()
        )
        written = self.generate(prompt, stop=STEP_BREAK, max_tokens=tokens, meter=Meter())
        verdict = [] if self._ngram else [self.keyword_logprobs(replace(prompt, request=VERIFY), KEYWORDS)]
        # All of them end before the first failure is told: nothing may be under way then.
        ended = await asyncio.gather(written, _exhaust(stream), *verdict, return_exceptions=True)
        if failures := [error for error in ended if isinstance(error, BaseException)]:
            raise min(failures, key=lambda error: isinstance(error, Refused))

    async def reset(self) -> None:
        """Forget all questions: caches of prefixes, images and their embeddings. Nothing may be under way."""
        self._inputs.forget()
        with self._vllm.alive():
            if not await self._vllm.forget():
                raise RuntimeError(f"{self.name}: the prefix cache was reset while requests were under way")

    async def check(self) -> None:
        """EngineDied where no request would ever be answered again."""
        await self._vllm.check()

    async def _last(
        self, prompt: Prompt, params: "SamplingParams", meter: Meter, behind: tuple[int, ...] = ()
    ) -> "RequestOutput":
        return [output async for output in self._outputs(prompt, params, meter, behind)][-1]

    async def _tokens(self, prompt: Prompt, max_tokens: int, *, meter: Meter) -> Tokens:
        """Tokens as they are written, each with how the request ended if it is the last one."""
        from vllm.sampling_params import RequestOutputKind

        left = max_tokens
        params = self._params(prompt, max_tokens, detokenize=False, output_kind=RequestOutputKind.DELTA)
        async with aclosing(self._outputs(prompt, params, meter)) as outputs:
            async for output in outputs:
                *before, last = output.outputs[0].token_ids
                for token in before:
                    yield token, None
                reason, left = output.outputs[0].finish_reason, left - len(before) - 1
                # Where the context is full a step may end with the very token; then comes the refusal.
                yield last, "end" if reason == "stop" else "length" if reason and left == 0 else None

    async def _outputs(
        self, prompt: Prompt, params: "SamplingParams", meter: Meter, behind: tuple[int, ...] = ()
    ) -> AsyncGenerator["RequestOutput", None]:
        """vLLM's outputs for one request; leaving early drops the request."""
        with self._vllm.alive():
            inputs = await self._inputs.request(prompt, behind)
            request = self._vllm.outputs(str(next(self._numbers)), inputs, params, meter)
            async with aclosing(self._checked(prompt, params, request)) as outputs:
                async for output in outputs:
                    yield output

    async def _checked(
        self, prompt: Prompt, params: "SamplingParams", request: AsyncGenerator["RequestOutput", None]
    ) -> AsyncGenerator["RequestOutput", None]:
        """A request's outputs. An error where the engine gave it up; Refused where the context had no room for it."""
        written = 0
        async with aclosing(request) as outputs:
            async for output in outputs:
                written += len(output.outputs[0].token_ids)
                reason = output.outputs[0].finish_reason
                if reason in ("abort", "error"):
                    raise RuntimeError(f"{self.name}: the engine gave up a request for {prompt.user!r}")
                yield output
                if reason == "length" and written < (params.max_tokens or 0):
                    raise await self._inputs.full(prompt)

    def _params(self, prompt: Prompt, max_tokens: int, **others: Any) -> "SamplingParams":
        from vllm import SamplingParams

        spec = self._sampling
        return SamplingParams(
            temperature=spec.temperature,
            top_p=spec.top_p,
            top_k=spec.top_k,
            seed=_seed(spec.seed, prompt),
            max_tokens=max_tokens,
            **others,
        )

    def _stop(self, stop: str) -> dict[str, Any]:
        """Stop at the string. A token that holds it ends the request inside the engine, a step earlier than its text
        does here; such a token may hold more, so the string is kept and cut off by us."""
        if not stop:
            return {}
        return {"stop": [stop], "stop_token_ids": self._words.tokens_with(stop), "include_stop_str_in_output": True}


async def _exhaust(steps: AsyncGenerator[Generation, None]) -> None:
    async for _ in steps:
        pass


def _generation(output: "RequestOutput", stop: str) -> Generation:
    done = output.outputs[0]
    text, stopped, _ = done.text.partition(stop) if stop else (done.text, "", "")
    finish: Finish = "stop" if stopped else "end" if done.finish_reason == "stop" else "length"
    return Generation(text, len(done.token_ids), finish)


def _seed(seed: int, prompt: Prompt) -> int:
    """The same prompt gives the same text, whatever ran before it and wherever the images lie."""
    named = replace(prompt, images=tuple(Path(image).name for image in prompt.images))
    return int.from_bytes(hashlib.sha256(repr((seed, astuple(named))).encode()).digest()[:4]) >> 1


def no_verdict(model: str, dtype: str, prompt: Prompt, logprobs: Mapping[str, float]) -> Refused:
    """Keywords without a probability: something in the model is no number."""
    step = prompt.answer.removesuffix(STEP_BREAK).rpartition(STEP_BREAK)[2]
    values = ", ".join(f"{word} {value}" for word, value in logprobs.items())
    return Refused(
        model, f"no verdict on the step {step[:SHOWN]!r}, as log-probabilities are {values}: {_cause(dtype)}"
    )


def _cause(dtype: str) -> str:
    """Why a model gives no numbers."""
    return "float16 overflows, use bfloat16" if dtype == "float16" else f"not for {dtype}'s range, see to the weights"


def _likeliest(told: Mapping[int, Any]) -> int:
    """Of the tokens that are told of one place."""
    return max(told, key=lambda token: told[token].logprob)


def _log_sum_exp(values: list[float]) -> float:
    top = max(values)
    if top == -math.inf:
        return top
    return top + math.log(sum(math.exp(value - top) for value in values))
