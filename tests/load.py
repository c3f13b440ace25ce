"""The endpoint under load beside vLLM's own server of the target, both driven by vLLM's benchmark client; and what the
endpoint adds to the loop.

    PYTHONPATH=src environments/models/bin/python tests/load.py

Asks questions of the default run (make it first), none of them twice of one server. Leave the machine alone meanwhile.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from chats import parts
from openai import AsyncOpenAI
from scipy.stats import bootstrap
from servers import Server

from dreamr.cli.common import BASE
from dreamr.cli.live import Chosen, live_methods, start_engines
from dreamr.config import Config
from dreamr.methods import protocol as methods
from dreamr.methods.protocol import Engines, Limits
from dreamr.planning.reading import read
from dreamr.prompts import question_prompt
from dreamr.records import Question, read_rows

TARGET, DRAFT = "q3vl-deep-awq", "q3vl-2l"
CLIENTS = (1, 2, 4, 8)
SHOWN = ("median_ttft_ms", "mean_tpot_ms", "output_throughput", "request_throughput", "completed", "failed")
WARM = 4  # questions before those that count
BENCH = """import argparse
from vllm.benchmarks import serve
described = argparse.ArgumentParser()
serve.add_cli_args(described)
serve.main(described.parse_args())"""  # `vllm bench serve`; the `vllm` command fails with the build for CPUs


def main() -> None:
    options = parser().parse_args()
    config = read([BASE])
    data = Path(config.pathvars.results) / "data"
    asked = [row for name in config.benchmarks for row in read_rows(data / f"{name}.jsonl", Question)]
    random.Random(0).shuffle(asked)
    pair = ("--target", TARGET, "--draft", DRAFT, "--method")
    print("server clients", *SHOWN)
    for name, *command in (
        ("dreamr", "serve", *pair, "dreamr"),
        ("target-only", "serve", *pair, "target_only"),
        (f"{config.pathvars.results}/models/{TARGET}", "serve-model", "--model", TARGET),
    ):
        with running(*command) as url:
            for place, clients in enumerate(CLIENTS):
                some = asked[place * options.questions :][: options.questions]
                found = benchmark(url, name, some, data, clients)
                print(Path(name).name, clients, *(f"{found[key]:.4g}" for key in SHOWN), flush=True)
    asyncio.run(overhead(config, Chosen(("dreamr",), TARGET, DRAFT), asked[: options.questions], data))


@contextmanager
def running(*command: str) -> Iterator[str]:
    """The URL of a server that ends with the block."""
    server = Server(*command)
    try:
        yield server.url
    finally:
        server.end()


def benchmark(url: str, model: str, asked: list[Question], data: Path, clients: int) -> dict[str, Any]:
    """What vLLM's client found; its first answer is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "questions.jsonl"
        rows.write_text("".join(json.dumps({"content": parts(question, data)}) + "\n" for question in asked))
        flags = f"--base-url {url} --endpoint /v1/chat/completions --backend openai-chat --model {model}"
        flags += f" --tokenizer {data.parent}/models/{TARGET} --temperature 0 --custom-output-len 240"
        flags += f" --dataset-name custom_image --dataset-path {rows} --num-prompts {len(asked)} --disable-shuffle"
        flags += f" --max-concurrency {clients} --save-result --result-dir {folder} --result-filename found.json"
        subprocess.run([sys.executable, "-c", BENCH, *flags.split()], check=True, stdout=subprocess.DEVNULL)
        return json.loads((Path(folder) / "found.json").read_text())


async def overhead(config: Config, chosen: Chosen, asked: list[Question], data: Path) -> None:
    """Seconds of the endpoint above those of the loop, question by question, in turns."""
    pair = ("--target", chosen.target, "--draft", chosen.draft)
    live = live_methods(config, chosen, ())
    method, roles, _ = live["dreamr"]
    limits = Limits(config.generation.step_tokens, config.generation.answer_tokens)
    taken: list[tuple[float, float]] = []
    async with AsyncExitStack() as stack:
        url = stack.enter_context(running("serve", *pair, "--method", "dreamr"))
        client = AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        engines = await start_engines(config, live.values(), stack)
        own = Engines(**{role: engines[key] for role, key in roles.items()})

        async def by_loop(question: Question) -> None:
            prompt = question_prompt(question, str(data.resolve()))
            await methods.load(method.loop)(prompt, own, method, limits.under(method))

        async def by_endpoint(question: Question) -> None:
            said: Any = [{"role": "user", "content": parts(question, data)}]
            await client.chat.completions.create(model="dreamr", messages=said)

        for number, question in enumerate(asked):
            both = (by_endpoint, by_loop)
            seconds = {}
            for ask in both if number % 2 else reversed(both):
                begun = time.perf_counter()
                await ask(question)
                seconds[ask] = time.perf_counter() - begun
            taken.append((seconds[by_endpoint], seconds[by_loop]))
    told(np.array(taken[WARM:]))


def told(taken: np.ndarray) -> None:
    for name, shown in (("ms", (taken[:, 0] - taken[:, 1]) * 1e3), ("%", (taken[:, 0] / taken[:, 1] - 1) * 100)):
        low, high = bootstrap((shown,), np.median, random_state=0).confidence_interval
        print(
            f"the endpoint adds {np.median(shown):.2f} [{low:.2f}, {high:.2f}] {name}, median of {len(shown)} answers"
        )


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("--questions", type=int, default=24, metavar="N", help="at each number of clients (24)")
    return described


if __name__ == "__main__":
    main()
