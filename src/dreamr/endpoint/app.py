"""The HTTP side: OpenAI's routes over a service, each answer whole or step by step."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, TypeVar

from fastapi import Depends, FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dreamr.endpoint.access import Access
from dreamr.endpoint.bodies import Bodies
from dreamr.endpoint.chats import Chat, question
from dreamr.endpoint.failures import Failure, of_validation
from dreamr.endpoint.metrics import Metrics, cancelled_tokens
from dreamr.endpoint.pictures import Pictures
from dreamr.endpoint.service import Service, Told
from dreamr.endpoint.thinking import ToldApart
from dreamr.engines.protocol import FULL
from dreamr.engines.vllm.inputs import MOST_IMAGES
from dreamr.methods.protocol import Outcome

T = TypeVar("T")

TOO_LONG = "context_length_exceeded"
CLIENT_GONE = 499  # the status that nginx logs for it; nobody reads it
ROUTES = "POST /v1/chat/completions, GET /v1/models, /health, /metrics"
FINISH = {"answer": "stop", "end": "stop", "budget": "length", "refused": "length"}  # refused: by a full context


def app(service: Service, pictures: Pictures, bodies: Bodies, access: Access) -> FastAPI:
    """The routes. What `access` wants is asked for on all of them but /health."""
    made = FastAPI(openapi_url=None)
    if access.origins:
        methods = ("GET", "POST")
        made.add_middleware(CORSMiddleware, allow_origins=access.origins, allow_methods=methods, allow_headers=("*",))
    guarded = [Depends(access.check)]

    @made.post("/v1/chat/completions", dependencies=guarded)
    async def complete(request: Request) -> Response:
        async with bodies.read(request) as body:
            return await unless_gone(request, respond(service, pictures, chat_of(body)))

    @made.get("/v1/models", dependencies=guarded)
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [listed(service, name) for name in service.methods]}

    @made.get("/v1/models/{name}", dependencies=guarded)
    async def model(name: str) -> dict[str, Any]:
        return listed(service, name)

    @made.post("/v1/responses", dependencies=guarded)
    async def responses() -> None:
        raise Failure(404, "the Responses API is not served here; send messages to /v1/chat/completions")

    @made.get("/metrics", dependencies=guarded)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @made.get("/health")
    async def health() -> dict[str, str]:
        if service.dead:
            raise service.gone()
        return {"status": "ready"}

    tell_failures(made, service.metrics)
    return made


def tell_failures(made: FastAPI, metrics: Metrics) -> None:
    """Whatever is not answered is told by the error object, and counted."""

    @made.exception_handler(Failure)
    async def failed(_: Request, failure: Failure) -> Response:
        metrics.refused.labels(failure.status).inc()
        return JSONResponse(failure.body, failure.status, failure.headers)

    @made.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        metrics.refused.labels(CLIENT_GONE).inc()
        return Response(status_code=CLIENT_GONE)

    @made.exception_handler(HTTPException)
    async def elsewhere(request: Request, error: HTTPException) -> Response:
        told = f"{request.method} {request.url.path[:60]}: {error.detail}; there are: {ROUTES}"
        return await failed(request, Failure(error.status_code, told, **(error.headers or {})))

    @made.exception_handler(Exception)
    async def broken(request: Request, _: Exception) -> Response:
        return await failed(request, Failure(500, "the server failed; its log says why"))


def listed(service: Service, name: str) -> dict[str, Any]:
    """A method as a model of the API."""
    promise = service.served(name).promise
    told = {"dreamr": {"guarantee": promise}} if promise else {}
    return {"id": name, "object": "model", "created": 0, "owned_by": "dreamr", **told}


def chat_of(body: bytearray) -> Chat:
    """The request's body, checked."""
    try:
        return Chat.model_validate_json(body)
    except ValidationError as error:
        raise of_validation(error) from None


async def respond(service: Service, pictures: Pictures, chat: Chat) -> Response:
    """The answer to a chat. What is refused before its first step is a failure with a status of its own."""
    method, _, reader, thinking, promise = service.served(chat.model)
    chat.check_sampling(service.sampling)
    chat.check_images(MOST_IMAGES)
    turns = chat.turns()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(service.place(chat.model))
        images = await stack.enter_async_context(pictures.stored(chat.urls))
        prompt = question(turns, images)
        items = service.answer(chat.model, prompt, chat.limits(service.limits.under(method)), chat.stop)
        await stack.enter_async_context(aclosing(items))
        first = await anext(items)
        check_answered(first)
        tokens = len(await reader.prompt_tokens(prompt))
        answer = Answer(chat, chat.ignored(service.sampling), tokens, thinking, promise)
        if not chat.stream:
            return JSONResponse(await answer.whole(first, items))
        return EventSourceResponse(answer.events(first, items, stack.pop_all()))


def check_answered(item: Told | Outcome) -> None:
    """Failure where an engine would not go on; where the context is full behind some steps, these are the answer."""
    if isinstance(item, Told) or item.refusal is None:
        return
    told = f"model {item.refused_by}: {item.refusal}"
    if not item.refusal.startswith(FULL):
        raise Failure(400, told, "messages")
    if not item.steps:  # clients know the case by these words, or by the code
        raise Failure(400, f"This model's maximum context length is exceeded; {told}", "messages", TOO_LONG)


class Answer:
    """One answer in the words of the API."""

    def __init__(
        self, chat: Chat, ignored: list[str], prompt_tokens: int, thinking: bool, promise: Mapping[str, Any] | None
    ) -> None:
        self._chat, self._ignored, self._prompt_tokens = chat, ignored, prompt_tokens
        self._named = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": chat.model}
        self._seconds: list[float] = []
        self._told = 0  # characters of a stream
        self._apart = ToldApart(thinking)
        self._promised = {"guarantee": promise} if promise else {}

    async def whole(self, first: Told | Outcome, rest: AsyncIterator[Told | Outcome]) -> dict[str, Any]:
        """The body of a response that is not streamed."""
        async for item in _behind(first, rest):
            check_answered(item)
            if isinstance(item, Told):
                self._seconds.append(item.seconds)
            else:
                outcome = item
        message = {"role": "assistant", "content": ""}
        for delta in self._rest(outcome):
            message |= {name: message.get(name, "") + text for name, text in delta.items()}
        choice = {"index": 0, "message": message, "finish_reason": FINISH[outcome.finish], "logprobs": None}
        facts = {"usage": self._usage(outcome), "dreamr": self._extension(outcome)}
        return {**self._named, "object": "chat.completion", "choices": [choice], **facts}

    async def events(
        self, first: Told | Outcome, rest: AsyncIterator[Told | Outcome], stack: AsyncExitStack
    ) -> AsyncGenerator[bytes, None]:
        """The events of a streamed response; at their end, or when nobody listens any more, `stack` is left."""
        async with stack:
            try:
                yield self._chunk({"role": "assistant", "content": ""})
                async for item in _behind(first, rest):
                    check_answered(item)
                    for event in self._step(item) if isinstance(item, Told) else self._ending(item):
                        yield event
            except Failure as failure:
                yield _event(failure.body)
            yield format_sse_event(data_str="[DONE]")

    def _step(self, told: Told) -> list[bytes]:
        self._seconds.append(told.seconds)
        self._told += len(told.text)
        delta = self._apart.add(told.text)
        return [self._chunk(delta)] if delta else []

    def _rest(self, outcome: Outcome) -> list[dict[str, str]]:
        """What was not told yet: all of it, or what waited for a stop string or the reasoning's end."""
        return [delta for delta in (self._apart.add(outcome.text[self._told :]), self._apart.rest()) if delta]

    def _ending(self, outcome: Outcome) -> list[bytes]:
        waiting = [self._chunk(delta) for delta in self._rest(outcome)]
        last = self._chunk({}, FINISH[outcome.finish], dreamr=self._extension(outcome))
        options = self._chat.stream_options
        used = {"choices": [], "usage": self._usage(outcome), **self._named, "object": "chat.completion.chunk"}
        return [*waiting, last, _event(used)] if options and options.include_usage else [*waiting, last]

    def _chunk(self, delta: dict[str, str], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return _event({**self._named, "object": "chat.completion.chunk", "choices": [choice], **more})

    def _usage(self, outcome: Outcome) -> dict[str, int]:
        total = self._prompt_tokens + outcome.tokens
        return {"prompt_tokens": self._prompt_tokens, "completion_tokens": outcome.tokens, "total_tokens": total}

    def _extension(self, outcome: Outcome) -> dict[str, Any]:
        """What the API has no word for: each step, who wrote it, its verdict and when it stood."""
        steps = [
            {"text": step.text, "writer": step.writer, "verdict": step.verdict, "accepted": step.accepted, "at": at}
            for step, at in zip(outcome.steps, self._seconds, strict=True)
        ]
        counts = {"drafted": outcome.drafted, "verified": outcome.verified, "accepted": outcome.accepted}
        ended = {"finish": outcome.finish, "refusal": outcome.refusal, "ignored": self._ignored}
        return {"steps": steps, **counts, "cancelled_tokens": cancelled_tokens(outcome), **ended, **self._promised}


async def _behind(first: T, rest: AsyncIterator[T]) -> AsyncIterator[T]:
    yield first
    async for item in rest:
        yield item


def _event(content: dict[str, Any]) -> bytes:
    return bytes(format_sse_event(data_str=json.dumps(content)))


async def unless_gone(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """The response, or none where the client goes first: then the work is dropped."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, watch = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else Response(status_code=CLIENT_GONE)
    finally:
        for one in (task, watch):
            one.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)
