"""A model behind a server of its own answers as one in the job's process does, and is missed when it goes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engines import engine_of
from projects import ROOT

from dreamr.config import DataSpec
from dreamr.cpn import KEYWORDS
from dreamr.data.loading import prepare_questions
from dreamr.engines.protocol import EngineDied, Generation, Meter, Refused
from dreamr.engines.vllm.engine import VllmEngine
from dreamr.engines.vllm.launch import Ngram
from dreamr.errors import UserError
from dreamr.prompts import STEP_BREAK, VERIFY, Prompt, question_prompt
from dreamr.records import Question, read_rows, write_rows
from dreamr.traces import Trace

pytestmark = [pytest.mark.models, pytest.mark.slow]

TARGET = "q3vl-deep"
ZOO = ROOT / "workflow/resources/zoo"
DRAFT = "q3vl-2l"
PATIENCE = 240  # seconds until a server answers
Run = Callable[[Coroutine[Any, Any, Any]], Any]


def engine(url: str | None = None, ngram: Ngram | None = None) -> VllmEngine:
    """The target, of its own or behind `url`."""
    return engine_of(ZOO, TARGET, ngram, url=url)


class Server:
    """The target, served by the command that people use."""

    def __init__(self, folder: Path) -> None:
        self.url, self._socket, self._log = f"unix:{folder / 'socket'}", folder / "socket", folder / "log"

    def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        command = [sys.executable, "-m", "dreamr", "serve-model", "--model", TARGET, "--uds", str(self._socket)]
        command += ["--models", str(ZOO), "--python", sys.executable]
        # Engines of this process log to files of their own; a server that somebody starts knows nothing of that.
        own = {name: value for name, value in os.environ.items() if not name.startswith("VLLM_LOGGING")}
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=own, start_new_session=True)
        begin = time.monotonic()
        while "Application startup complete" not in self._log.read_text():
            assert self._process.poll() is None and time.monotonic() - begin < PATIENCE, self._log.read_text()[-3000:]
            time.sleep(0.5)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    served = Server(tmp_path_factory.mktemp("server"))
    served.start()
    yield served
    served.kill()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small benchmark, prepared as the workflow does."""
    from micro_sizes import micro_size

    from dreamr.micro.datasets import write_all

    folder = tmp_path_factory.mktemp("data")
    write_all(folder / "micro", micro_size(7, 16, 16))
    spec = DataSpec(adapter="mmmu", path=str(folder / "micro" / "mmmu"), split="validation")
    write_rows(folder / "mmmu.jsonl", prepare_questions("mmmu", spec, folder))
    return folder


@pytest.fixture(scope="module")
def prompts(data: Path) -> list[Prompt]:
    """Questions with one image, with several, and one without."""
    asked = [question_prompt(row, str(data)) for row in read_rows(data / "mmmu.jsonl", Question)]
    assert {len(prompt.images) for prompt in asked} == {1, 2}
    return [*asked[:8], Prompt("What is 3 plus 4?", ())]


@pytest.fixture(scope="module")
def both(server: Server, run: Run) -> Iterator[tuple[VllmEngine, VllmEngine]]:
    own, remote = engine(), engine(server.url)
    run(own.__aenter__())
    run(remote.__aenter__())
    yield own, remote
    run(remote.__aexit__())
    run(own.__aexit__())


async def written(model: VllmEngine, prompt: Prompt) -> tuple[list[Generation], Generation, int]:
    """The steps of a stream, one step by itself, and all tokens counted."""
    meter = Meter()
    stream = model.stream(prompt, stop=STEP_BREAK, step_tokens=40, max_tokens=120, stepwise=False, meter=meter)
    steps = [step async for step in stream]
    step = await model.generate(prompt, stop=STEP_BREAK, max_tokens=40, meter=meter)
    return steps, step, meter.tokens


def test_steps_are_the_same(both: tuple[VllmEngine, VllmEngine], run: Run, prompts: list[Prompt]) -> None:
    for prompt in prompts:
        own, remote = (run(written(model, prompt)) for model in both)
        assert own == remote and own[0]


def test_verdicts_are_the_same(both: tuple[VllmEngine, VllmEngine], run: Run, prompts: list[Prompt]) -> None:
    """Asked one by one and all at once, with caches and without."""
    asked = [replace(prompt, answer="Row 1 column 1 is 3.\n\n", request=VERIFY) for prompt in prompts]

    async def at_once(model: VllmEngine) -> list[tuple[float, ...]]:
        return list(await asyncio.gather(*(model.keyword_logprobs(prompt, KEYWORDS) for prompt in asked)))

    expected = [run(both[0].keyword_logprobs(prompt, KEYWORDS)) for prompt in asked]
    assert len(set(expected)) > len(asked) / 2
    for _ in range(2):
        found = [run(both[1].keyword_logprobs(prompt, KEYWORDS)) for prompt in asked]
        for one, other in zip(found, expected, strict=True):
            assert one == pytest.approx(other, abs=1e-4)
        run(both[1].reset())
    for one, other in zip(run(at_once(both[1])), expected, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_log_probabilities_of_a_text_are_the_same(
    both: tuple[VllmEngine, VllmEngine], run: Run, prompts: list[Prompt]
) -> None:
    for prompt in prompts[:4]:
        own, remote = (run(model.text_logprobs(prompt, "Row 1 column 1 is 3.")) for model in both)
        assert len(own) > 3 and remote == pytest.approx(own, abs=1e-4)


def test_ngrams_are_not_asked_of_a_server(server: Server, run: Run) -> None:
    with pytest.raises(UserError, match=r"q3vl-deep: its server \(unix:.*\) cannot be told to speculate by n-grams"):
        run(engine(server.url, Ngram(5, 2, 4)).__aenter__())


def generate(data: Path, folder: Path, url: str | None) -> list[str]:
    """The command that answers the benchmark by FPSR, its target in the job or behind `url`."""
    target, draft = (
        {"name": name, "engine": {"dtype": "float32"}, "thinking": False, "trust_remote_code": False, "digest": name}
        for name in (TARGET, DRAFT)
    )
    target["engine"]["url"] = url
    method = {
        "loop": "fpsr",
        "verifier": "cpn",
        "alpha": 0.7,
        "window": 4,
        "target_speculation": "all",
        "continues": True,
    }
    spec = {
        "target": target,
        "draft": DRAFT,
        "replicate": 0,
        "drafts": {"plain": draft},
        "cells": {"dreamr_ns": {"method": method, "digest": "dreamr_ns"}},
        "suite": {"slices": [{"benchmark": "mmmu"}], "alone": 2},
        "generation": {
            **{"temperature": 0, "top_p": 1, "top_k": -1, "seed": 0},
            **{"step_tokens": 40, "answer_tokens": 240, "concurrency": 2},
        },
        "context_tokens": 1024,
        "images": {"min_pixels": 784, "max_pixels": 65536},
        "device": "cpu",
    }
    command = [sys.executable, "-m", "dreamr", "generate", "--spec", json.dumps(spec), "--models", str(ZOO)]
    return [*command, "--data", str(data), "--cells", str(folder / "cells"), "--out", str(folder / "traces.jsonl")]


def test_what_the_server_refuses_is_told_in_its_words(server: Server, run: Run, prompts: list[Prompt]) -> None:
    """It was started for 1,024 tokens, the job believes in 2,048; and it goes on."""

    async def ask() -> str:
        async with engine_of(ZOO, TARGET, context=2048, url=server.url) as wide:
            long = replace(prompts[-1], user="so " * 1500)
            for asked in (written(wide, long), wide.generate(long, stop="", max_tokens=9, meter=Meter())):
                with pytest.raises(Refused, match=rf"model {TARGET}: {server.url} says: .*1024"):
                    await asked
            return await written(wide, prompts[-1])

    assert run(ask())


def test_a_job_whose_server_is_killed_goes_on_after_its_restart(
    both: tuple[VllmEngine, VllmEngine], server: Server, run: Run, prompts: list[Prompt], data: Path, tmp_path: Path
) -> None:
    """And its answers are those of a job with the target of its own."""
    command = generate(data, tmp_path, server.url)
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not any(path.stat().st_size for path in tmp_path.glob("cells/*.jsonl")):
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.05)
    server.kill()
    _, errors = first.communicate(timeout=120)
    assert first.returncode == 1 and not (tmp_path / "traces.jsonl").exists()
    assert f"the server of {TARGET} at {server.url} is gone" in errors and "run the same command again" in errors
    with pytest.raises(EngineDied, match=f"the server of {TARGET} at {server.url} is gone"):
        run(written(both[1], prompts[0]))
    with pytest.raises(EngineDied, match=f"the server of {TARGET} at {server.url} is gone"):
        run(both[1].check())
    server.start()
    run(both[1].check())
    kept = sum(len(path.read_text().splitlines()) for path in tmp_path.glob("cells/*.jsonl"))
    subprocess.run(command, check=True, timeout=300)
    subprocess.run(generate(data, tmp_path / "own", None), check=True, timeout=300)
    behind, own = (list(read_rows(folder / "traces.jsonl", Trace)) for folder in (tmp_path, tmp_path / "own"))
    assert 0 < kept < len(own)
    assert [(row.mode, row.question, row.text) for row in behind] == [(row.mode, row.question, row.text) for row in own]
