"""Serve a model of the configuration by vLLM's own server, as the engines of the workflow's jobs would.

    .venv/bin/python -m dreamr.cli.serve_model --model q3vl-deep-awq --uds /tmp/target.sock

Jobs use it where the configuration says so: `models: {q3vl-deep-awq: {engine: {url: "unix:/tmp/target.sock"}}}`. For a
large target that many jobs need: it is loaded once. A Python without vLLM hands on to that of the models environment.
Times of answers mean little where several jobs share a server, or where it is far away.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dreamr.cli.common import BASE, add_configfile, command_parser
from dreamr.engines.vllm.launch import engine_arguments, environment
from dreamr.errors import UserError
from dreamr.planning.plan import Plan
from dreamr.planning.reading import read
from dreamr.provenance import environment_folder
from dreamr.runtime.endings import worded

SERVER = "vllm.entrypoints.launchers.api_server.entry"  # the `vllm` command fails with the build for CPUs


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    config = read([BASE, *options.configfile])
    if options.model not in config.models:
        raise UserError(f"{options.model!r}: no such model; there are: {', '.join(config.models)}")
    folder = (options.models or Path(config.pathvars.results) / "models") / options.model
    if not (folder / "config.json").exists():
        raise UserError(f"{folder}: no such model folder; make it with: snakemake --cores all {folder}/card.json")
    python = options.python or f"{environment_folder(Path(f'envs/models-{config.device}.txt'))}/bin/python"
    model = Plan(config).ref(options.model)
    flags = [*server_flags(engine_arguments(str(folder), model, config, None)), "--enable-scale-out"]
    flags += ["--uds", str(options.uds)] if options.uds else ["--host", options.host, "--port", str(options.port)]
    os.environ.update(environment(config.device), VLLM_SERVER_DEV_MODE="1")  # with it, caches can be emptied
    sys.stdout.flush()
    os.execv(python, [python, "-m", SERVER, *flags])


def server_flags(arguments: dict[str, Any]) -> Iterator[str]:
    """vLLM's engine arguments as its server takes them."""
    for name, value in arguments.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        else:
            yield from (f"--{flag}", json.dumps(value) if isinstance(value, dict) else str(value))


def parser() -> argparse.ArgumentParser:
    described = command_parser("serve_model", __doc__)
    described.add_argument("--model", required=True, metavar="NAME", help="of the configuration")
    described.add_argument("--uds", type=Path, metavar="SOCKET", help="a socket of this machine; else host and port:")
    described.add_argument(
        "--host", default="127.0.0.1", help="whom to listen to; who reaches it may use it (%(default)s)"
    )
    described.add_argument("--port", type=int, default=8000, help="%(default)s")
    described.add_argument(
        "--models", type=Path, metavar="FOLDER", help="folder of model folders; default: the results'"
    )
    described.add_argument("--python", metavar="FILE", help="one with vLLM; default: that of the models environment")
    add_configfile(described)
    return described


if __name__ == "__main__":
    main()
