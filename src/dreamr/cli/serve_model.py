"""Serve a model of the configuration by vLLM's own server, as the engines of the workflow's jobs would.

    .venv/bin/dreamr serve-model --model q3vl-deep-awq --uds /tmp/target.sock

Jobs use it where the configuration says so: `models: {q3vl-deep-awq: {engine: {url: "unix:/tmp/target.sock"}}}`. For a
large target that many jobs need: it is loaded once. A Python without vLLM hands on to that of the models environment.
Times of answers mean little where several jobs share a server, or where it is far away.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dreamr.cli.common import BASE, Overlays
from dreamr.engines.vllm.launch import engine_arguments, environment
from dreamr.errors import UserError
from dreamr.planning.plan import Plan
from dreamr.planning.reading import read
from dreamr.provenance import SOURCES, environment_folder
from dreamr.runtime.endings import exit_on_user_error

SERVER = "vllm.entrypoints.launchers.api_server.entry"  # the `vllm` command fails with the build for CPUs


@exit_on_user_error()
def main(
    *,
    model: str,
    uds: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    models: Path | None = None,
    python: str | None = None,
    configfile: Overlays = (),
) -> None:
    """Become the server.

    Args:
        model: name in the configuration
        uds: a socket of this machine; else host and port are used
        host: whom to listen to; who reaches it may use it
        port: of the host
        models: folder of model folders; default: the results'
        python: one with vLLM; default: that of the models environment
    """
    config = read([BASE, *configfile])
    if model not in config.models:
        raise UserError(f"{model!r}: no such model; there are: {', '.join(config.models)}")
    folder = (models or Path(config.pathvars.results) / "models") / model
    if not (folder / "config.json").exists():
        raise UserError(
            f"{folder}: no such model folder; make it with: .venv/bin/snakemake --cores all {folder}/card.json"
        )
    python = python or f"{environment_folder(Path(f'envs/models-{config.device}.txt'))}/bin/python"
    flags = [*server_flags(engine_arguments(str(folder), Plan(config).ref(model), config, None)), "--enable-scale-out"]
    flags += ["--uds", str(uds)] if uds else ["--host", host, "--port", str(port)]
    os.environ.update(
        environment(config.device),
        VLLM_SERVER_DEV_MODE="1",  # with it, caches can be emptied
        PYTHONPATH=str(SOURCES),  # of what its workers are taught
    )
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
