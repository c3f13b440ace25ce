"""Serve methods of a pair to any client of OpenAI's API: text and images in, an answer step by step out.

    .venv/bin/python -m dreamr.cli.serve --method dreamr target_only --target q3vl-deep-awq --draft q3vl-2l

A method is a model to the client, by its name with hyphens: `dreamr`, `target-only`. Routes: /v1/chat/completions,
/v1/models, /health, /metrics. What would change an answer and cannot is refused by the API's error object: tools,
several choices, assistant turns, other sampling than configured. No URL is fetched. SIGTERM lets running questions end.
The engines are those of the experiment, or servers that run already, where the configuration gives a `url`. What the
engines print goes to <logs>/serve.log. Who reaches host and port may use it; there is no TLS, a proxy's task.
"""

import argparse
import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dreamr.answering.engines import EngineKey
from dreamr.cli.common import BASE, add_configfile, command_parser
from dreamr.cli.live import LiveMethod, add_methods, hand_on, live_methods, start_engines
from dreamr.config import Config
from dreamr.engines.protocol import EngineDied
from dreamr.errors import UserError
from dreamr.methods.protocol import Engines, Limits
from dreamr.planning.reading import read
from dreamr.runtime.endings import worded
from dreamr.runtime.output import output_to

if TYPE_CHECKING:
    import uvicorn

    from dreamr.endpoint.service import Service
    from dreamr.engines.vllm.engine import VllmEngine

CHECK_SECONDS = 1.0  # between two looks at the engines
BOUNDS = (  # our decisions: for one machine and questions of a few images
    ("concurrency", 8, "questions that are answered at once"),
    ("queue", 64, "questions that may wait beyond those; more get status 429"),
    ("most-bytes", 32 << 20, "bytes of a request"),
    ("most-pixels", 1 << 25, "pixels of an image, before the engines make it smaller"),
    ("drain", 30, "seconds that running questions have to end after SIGTERM"),
)


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    config = read([BASE, *options.configfile])
    live = live_methods(config, options)
    key = api_key(options.api_key_file)
    if options.allow_local_files and not options.allow_local_files.is_dir():
        raise UserError(f"--allow-local-files {options.allow_local_files}: no such folder")
    if find_spec("vllm") is None:
        hand_on("serve", config, options, arguments)
    with output_to(Path(config.pathvars.logs) / "serve.log") as terminal:
        asyncio.run(serve(config, live, options, key, terminal))


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
    config: Config, live: Mapping[str, LiveMethod], options: argparse.Namespace, key: str | None, terminal: TextIO
) -> None:
    """Answer until told to stop; a UserError where an engine died."""
    import uvicorn

    from dreamr.endpoint.app import app
    from dreamr.endpoint.pictures import Pictures

    async with AsyncExitStack() as stack:
        engines = await start_engines(config, live.values(), stack)
        service = serving(config, live, engines, options)
        routes = app(service, Pictures(options.allow_local_files, options.most_pixels), options.most_bytes, key)
        server = uvicorn.Server(
            uvicorn.Config(
                routes,
                host=options.host,
                port=options.port,
                log_level="warning",
                timeout_graceful_shutdown=options.drain,
            )
        )
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # uvicorn hears it, and raises it again once it has ended
        stack.callback(asyncio.create_task(watch(service, list(engines.values()), server)).cancel)
        print(f"{', '.join(service.methods)} on http://{options.host}:{options.port}/v1", file=terminal, flush=True)
        await server.serve()
    if service.dead:
        raise UserError(service.dead.words, service.dead.cause)


def serving(
    config: Config,
    live: Mapping[str, LiveMethod],
    engines: Mapping[EngineKey, "VllmEngine"],
    options: argparse.Namespace,
) -> "Service":
    """The methods on these engines, by the names that clients use."""
    from dreamr.endpoint.service import Served, Service

    methods = {}
    for name, (method, roles) in live.items():
        own = {role: engines[key] for role, key in roles.items()}
        methods[name.replace("_", "-")] = Served(method, Engines(**own), next(iter(own.values())))
    limits = Limits(config.generation.step_tokens, config.generation.answer_tokens)
    return Service(methods, config.generation, limits, options.concurrency, options.queue)


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


def parser() -> argparse.ArgumentParser:
    described = command_parser("serve", __doc__)
    add_methods(described)
    add_configfile(described)
    described.add_argument("--host", default="127.0.0.1", help="whom to listen to (%(default)s: this machine alone)")
    described.add_argument("--port", type=int, default=8000, help="%(default)s")
    described.add_argument(
        "--api-key-file", type=Path, metavar="FILE", help="a key that clients have to send; default: none is asked for"
    )
    described.add_argument(
        "--allow-local-files",
        type=Path,
        metavar="FOLDER",
        help="serve file:// images from this folder; default: none, images come in data URLs",
    )
    for name, default, unit in BOUNDS:
        described.add_argument(f"--{name}", type=positive, default=default, metavar="N", help=f"{unit} (%(default)s)")
    return described


def positive(text: str) -> int:
    """A whole number above 0."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number above 0 is needed")
    return int(text)


if __name__ == "__main__":
    main()
