"""Serve methods of a pair to any client of OpenAI's API: text and images in, an answer step by step out.

    .venv/bin/dreamr serve --method dreamr target_only --target q3vl-deep-awq --draft q3vl-2l

A method is a model to the client, by its name with hyphens: `dreamr`, `target-only`. Routes: /v1/chat/completions,
/v1/models, /health, /metrics. What would change an answer and cannot is refused by the API's error object: tools,
several choices, other sampling than configured. No URL is fetched. SIGTERM lets running questions end.
The engines are those of the experiment, or servers that run already, where the configuration gives a `url`. What the
engines print goes to <logs>/serve.log. Who reaches host and port may use it; there is no TLS, a proxy's task.
"""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from dreamr.answering.engines import EngineKey
from dreamr.cli.common import BASE, Overlays
from dreamr.cli.live import USUAL, Choice, LiveMethod, live_methods, reexec_in_models_env, start_engines
from dreamr.config import Config
from dreamr.engines.protocol import EngineDied
from dreamr.errors import UserError
from dreamr.methods.protocol import Engines, Limits
from dreamr.planning.reading import read
from dreamr.runtime.endings import exit_on_user_error
from dreamr.runtime.output import output_to

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from dreamr.endpoint.service import Service
    from dreamr.engines.vllm.engine import VllmEngine

CHECK_SECONDS = 1.0  # between two looks at the engines
LISTENS_SECONDS = 0.05  # between two looks whether the server listens


@dataclass(frozen=True)
class Settings:
    """Where to listen, and bounds: our decisions, for one machine and questions of a few images.

    Args:
        host: whom to listen to; the default is this machine alone
        allow_host: further names by which clients call it, such as a proxy's
        allow_origin: web pages that may ask, such as https://example.org (CORS)
        port: of the host
        allow_local_files: serve file:// images from this folder; default: none, images come in data URLs
        concurrency: questions that are answered at once
        queue: questions that may wait beyond those; more get status 429
        most_bytes: bytes of a request, or of a local file
        most_text: bytes of a request beside its images
        most_pixels: pixels of an image, before the engines make it smaller
        drain: seconds that running questions have to end after SIGTERM
    """

    host: str = "127.0.0.1"
    allow_host: tuple[str, ...] = ()
    allow_origin: tuple[str, ...] = ()
    port: int = 8000
    allow_local_files: Path | None = None
    concurrency: PositiveInt = 8
    queue: PositiveInt = 64
    most_bytes: PositiveInt = 32 << 20
    most_text: PositiveInt = 1 << 18
    most_pixels: PositiveInt = 1 << 25
    drain: PositiveInt = 30


@exit_on_user_error()
def main(
    *,
    chosen: Choice = USUAL,
    configfile: Overlays = (),
    api_key_file: Path | None = None,
    settings: Annotated[Settings, Parameter("*")] = Settings(),
) -> None:
    """Serve until told to stop.

    Args:
        api_key_file: a key that clients have to send; default: none is asked for
    """
    config = read([BASE, *configfile])
    live = live_methods(config, chosen, configfile)
    key = api_key(api_key_file)
    if settings.allow_local_files and not settings.allow_local_files.is_dir():
        raise UserError(f"--allow-local-files {settings.allow_local_files}: no such folder")
    if find_spec("vllm") is None:
        reexec_in_models_env(config, configfile)
    with output_to(Path(config.pathvars.logs) / "serve.log") as terminal:
        asyncio.run(serve(config, live, settings, key, terminal))


def api_key(file: Path | None) -> str | None:
    """The key that clients have to send; an empty file is a UserError, as it would let everybody in."""
    if file is None:
        return None
    if not file.is_file():
        raise UserError(f"--api-key-file {file}: no such file")
    if not (key := file.read_text(encoding="utf-8").strip()):
        raise UserError(f"--api-key-file {file}: is empty; write one line, such as `openssl rand -hex 32` gives")
    return key


async def serve(
    config: Config, live: Mapping[str, LiveMethod], settings: Settings, key: str | None, terminal: TextIO
) -> None:
    """Answer until told to stop; a UserError where an engine died."""
    from dreamr.endpoint.server import server as http

    async with AsyncExitStack() as stack:
        engines = await start_engines(config, live.values(), stack)
        service = serving(config, live, engines, settings)
        options = {"host": settings.host, "port": settings.port, "timeout_graceful_shutdown": settings.drain}
        server = http(routes(config, service, settings, key), log_level="warning", **options)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # uvicorn hears it, and raises it again once it has ended
        stack.callback(asyncio.create_task(watch(service, list(engines.values()), server)).cancel)
        warn_of_strangers(settings.host, key, terminal)
        promises = [f"\n{method.certificate}" for method in live.values() if method.certificate]
        words = f"{', '.join(service.methods)} on http://{settings.host}:{settings.port}/v1{''.join(promises)}"
        stack.callback(asyncio.create_task(announce(server, words, terminal)).cancel)
        await server.serve()
    if service.dead:
        raise UserError(service.dead.words, service.dead.cause)


def routes(config: Config, service: "Service", settings: Settings, key: str | None) -> "FastAPI":
    """What clients may ask of the service, within the bounds of the settings."""
    from dreamr.endpoint.access import Access, hosts_of
    from dreamr.endpoint.app import app
    from dreamr.endpoint.bodies import Bodies
    from dreamr.endpoint.pictures import Pictures
    from dreamr.engines.vllm.inputs import MOST_IMAGES

    pictures = Pictures(config.images, settings.allow_local_files, settings.most_pixels, settings.most_bytes)
    bodies = Bodies(settings.most_bytes, settings.most_text, MOST_IMAGES)
    return app(
        service, pictures, bodies, Access(key, hosts_of(settings.host, settings.allow_host), settings.allow_origin)
    )


def warn_of_strangers(host: str, key: str | None, terminal: TextIO) -> None:
    """Say so where others than this machine's people may ask without a key."""
    from dreamr.endpoint.access import LOCAL

    if key is None and host not in LOCAL:
        print(f"--host {host}: whoever reaches it may ask; --api-key-file asks for a key", file=terminal, flush=True)


async def announce(server: "uvicorn.Server", words: str, terminal: TextIO) -> None:
    """Print where it listens, once it does."""
    while not server.started:
        await asyncio.sleep(LISTENS_SECONDS)
    print(words, file=terminal, flush=True)


def serving(
    config: Config,
    live: Mapping[str, LiveMethod],
    engines: Mapping[EngineKey, "VllmEngine"],
    settings: Settings,
) -> "Service":
    """The methods on these engines, by the names that clients use."""
    from dreamr.endpoint.service import Served, Service

    methods = {}
    for name, (method, roles, certificate) in live.items():
        own = {role: engines[key] for role, key in roles.items()}
        reader, key = next(iter(own.values())), next(iter(roles.values()))
        promise = certificate.promise if certificate else None
        methods[name.replace("_", "-")] = Served(method, Engines(**own), reader, key.model.thinking, promise)
    limits = Limits(config.generation.step_tokens, config.generation.answer_tokens)
    return Service(methods, config.generation, limits, settings.concurrency, settings.queue)


async def watch(service: "Service", engines: Sequence["VllmEngine"], server: "uvicorn.Server") -> None:
    """Stop the server once an engine is dead, also one that nobody asks anything; those who ask by then are told."""
    while not service.dead:
        await asyncio.sleep(CHECK_SECONDS)
        for engine in engines:
            try:
                await engine.check()
            except EngineDied as error:
                service.die(error)
    await asyncio.sleep(CHECK_SECONDS)
    server.should_exit = True
