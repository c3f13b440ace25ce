"""A model that another vLLM serves: a large target for many jobs at once, or a server that a lab already runs.

The server gets tokens and ready images, and gives tokens and log-probabilities, by vLLM's endpoint for that
(`--enable-scale-out`); so texts and verdicts are those of an engine of one's own. `cli.serve_model` starts such a
server.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dreamr.engines.protocol import EngineDied, Meter, Refused
from dreamr.engines.vllm.internals import Rendered, Vllm
from dreamr.engines.vllm.logs import EngineLog

if TYPE_CHECKING:
    from vllm import SamplingParams

GENERATE = "/inference/v1/generate"
LOOK_SECONDS = 30.0  # in which a server has to say how it is; an answer may take as long as it takes
REFUSED = 400  # the status of an answer, or told in a stream
CACHES = ("reset_mm_cache", "reset_encoder_cache", "reset_prefix_cache")  # served with VLLM_SERVER_DEV_MODE=1
SENT = ("temperature", "top_p", "top_k", "seed", "max_tokens", "detokenize", "include_stop_str_in_output")


class RemoteVllm(Vllm):
    """A vLLM behind `url`: `unix:/path` or `http://host:port`."""

    def __init__(self, configuration: Any, name: str, log: EngineLog, url: str) -> None:
        self._url = url
        super().__init__(configuration, name, log)

    def _start(self, configuration: Any) -> None:
        from vllm.renderers import renderer_from_config

        self._model_config = configuration.model_config
        self._renderer = renderer_from_config(configuration)

    async def ready(self) -> None:
        """Connect; whether the server is there shows at once."""
        import aiohttp

        unix = self._url.removeprefix("unix:") if self._url.startswith("unix:") else None
        connector = aiohttp.UnixConnector(unix, limit=0) if unix else aiohttp.TCPConnector(limit=0)
        self._base = "http://server" if unix else self._url.rstrip("/")
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        try:
            async with asyncio.timeout(LOOK_SECONDS), self._session.get(f"{self._base}/health") as answer:
                answer.raise_for_status()
        except (aiohttp.ClientError, TimeoutError):
            await self._session.close()
            raise

    def inputs(self, ids: list[int], opening: Rendered) -> dict[str, Any]:
        """The part of a request that says what is read."""
        if not opening.images:
            return {"token_ids": ids}
        assert opening.hashes is not None
        places = [{"offset": place.offset, "length": place.length} for place in opening.places["image"]]
        features = {"mm_hashes": opening.hashes, "mm_placeholders": {"image": places}}
        return {"token_ids": ids, "features": features | {"kwargs_data": {"image": [*map(_encoded, opening.images)]}}}

    async def outputs(
        self, number: str, inputs: Any, params: "SamplingParams", meter: Meter
    ) -> AsyncGenerator[Any, None]:
        """The server's outputs for one request; closed early, the connection is, and the server drops the request."""
        from vllm.sampling_params import RequestOutputKind

        streamed = params.output_kind == RequestOutputKind.DELTA
        asked = inputs | {"sampling_params": _sampling(params), "stream": streamed}
        asked["output_mode"] = "text" if params.detokenize and not streamed else "tokens"
        async with self._session.post(f"{self._base}{GENERATE}", json=asked) as answer:
            if answer.status not in (200, REFUSED):
                raise RuntimeError(f"{self._name}: {self._url} says {answer.status}: {await answer.text()}")
            async for part in _events(answer) if streamed and answer.status == 200 else _whole(answer):
                if part.get("error", {}).get("code") == REFUSED:
                    raise Refused(self._name, f"{self._url} says: {part['error']['message']}")
                output = _output(part, params)
                meter.tokens += len(output.outputs[0].token_ids)
                yield output

    async def check(self) -> None:
        """EngineDied where the server does not answer, or says that its engine is dead."""
        with self.alive():
            async with asyncio.timeout(LOOK_SECONDS), self._session.get(f"{self._base}/health") as answer:
                if not answer.ok:
                    raise EngineDied(f"the server of {self._name} at {self._url} says {answer.status}")

    async def forget(self) -> bool:
        """Ask the server to empty its caches."""
        self._renderer.clear_mm_cache()
        for cache in CACHES:
            async with self._session.post(f"{self._base}/{cache}") as answer:
                if answer.status != 200:
                    return False
        return True

    @contextmanager
    def alive(self) -> Iterator[None]:
        """A server that has gone is an engine that died."""
        import aiohttp

        try:
            yield
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise EngineDied(f"the server of {self._name} at {self._url} is gone: {error}") from error
        except TimeoutError as error:
            told = f"the server of {self._name} at {self._url} does not say in {LOOK_SECONDS:g} s how it is"
            raise EngineDied(told) from error

    async def shutdown(self) -> None:
        """Let go of the server, which goes on."""
        await self._session.close()


def _encoded(item: Any) -> str:
    from vllm.entrypoints.scale_out.token_in_token_out.mm_serde import encode_mm_kwargs_item

    encoded: str = encode_mm_kwargs_item(item)
    return encoded


def _sampling(params: "SamplingParams") -> dict[str, Any]:
    fields = {name: getattr(params, name) for name in SENT}
    if params.stop:
        fields |= {"stop": params.stop, "stop_token_ids": params.stop_token_ids}
    if params.logprob_token_ids:
        # vLLM 0.32 answers with as many as `logprobs` says, and leaves out the last one that is asked.
        ids = [*params.logprob_token_ids, params.logprob_token_ids[-1]]
        fields |= {"logprob_token_ids": ids, "logprobs": len(ids)}
    if params.prompt_logprobs is not None:
        fields["prompt_logprobs"] = params.prompt_logprobs
    return fields


async def _whole(answer: Any) -> AsyncIterator[dict[str, Any]]:
    yield await answer.json()


async def _events(answer: Any) -> AsyncIterator[dict[str, Any]]:
    """The objects of a stream of server-sent events."""
    async for line in answer.content:
        data = line.decode().removeprefix("data: ").strip()
        if data and data != "[DONE]":
            yield json.loads(data)


def _output(part: dict[str, Any], params: "SamplingParams") -> Any:
    """The server's words as vLLM's own output."""
    if "choices" not in part:
        raise RuntimeError(f"the server gave up a request: {part}")
    (choice,) = part["choices"]
    logprobs = None
    if params.logprob_token_ids:
        top = choice["logprobs"]["content"][0]["top_logprobs"]
        logprobs = [{one["token_id"]: SimpleNamespace(logprob=one["logprob"]) for one in top}]
    output = SimpleNamespace(
        token_ids=choice["token_ids"] or [],
        text=choice.get("text", ""),
        finish_reason=choice["finish_reason"],
        logprobs=logprobs,
    )
    read = [_by_token(one) for one in part.get("prompt_logprobs") or ()]
    finished = choice["finish_reason"] is not None
    # It is not told to use its cache of prefixes where it tells of a prompt's tokens, so it does not.
    return SimpleNamespace(outputs=[output], finished=finished, prompt_logprobs=read, num_cached_tokens=0)


def _by_token(told: dict[str, Any] | None) -> dict[int, Any]:
    """The log-probabilities of one place of the prompt; its first one has none."""
    return {int(token): SimpleNamespace(logprob=one["logprob"]) for token, one in (told or {}).items()}
