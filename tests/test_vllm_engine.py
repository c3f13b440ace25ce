"""The real engine on the zoo's models, beside transformers on the same files."""

import asyncio
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from engines import SAMPLING, SIZE, engine_of, reference
from micro_questions import read_prompts, write_benchmarks

from dreamr.engines.chat import Chat
from dreamr.engines.images import load_image
from dreamr.engines.protocol import EngineDied, Generation, Meter, Refused
from dreamr.engines.vllm.engine import VllmEngine
from dreamr.engines.vllm.launch import Ngram
from dreamr.errors import UserError
from dreamr.prompts import SCORE, STEP_BREAK, VERIFY, Prompt, continued, verdict_prompt
from dreamr.records import IMAGE_MARK, Question, read_rows, write_rows
from dreamr.traces import Trace

pytestmark = [pytest.mark.models, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent
ZOO = Path(os.environ.get("DREAMR_ZOO", ROOT / "workflow/resources/zoo"))  # the variable: weights still in training
TARGETS, DRAFTS = ("q3vl-deep", "q3vl-moe"), ("q3vl-2l", "r4b-2l", "mimo-3l")
VERDICT = ("positive", "negative")
DIGITS = tuple("0123456789")

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_benchmarks(folder)
    return folder


@pytest.fixture(scope="module")
def prompts(data: Path) -> list[Prompt]:
    return read_prompts(data)


@pytest.fixture(scope="module")
def samples(prompts: list[Prompt]) -> list[Prompt]:
    """One image, several images, none, and an answer under way."""
    several = next(prompt for prompt in prompts if len(prompt.images) > 1)
    none = Prompt("What is 3 plus 4?", ())
    begun = continued(prompts[1], ("Row 1 column 1 is 3.", "Row 1 column 2 is 4."))
    return [prompts[0], several, none, begun]


@pytest.fixture(scope="module", params=[*TARGETS, *DRAFTS])
def pair(request: pytest.FixtureRequest, run: Run) -> Iterator[SimpleNamespace]:
    """A served model, and the same files in transformers."""
    engine = engine_of(ZOO, request.param)
    run(engine.__aenter__())
    yield SimpleNamespace(engine=engine, beside=Beside(ZOO / request.param), target=request.param in TARGETS)
    run(engine.__aexit__())


class Beside:
    """A model in transformers, in float32."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        torch.set_num_threads(1)
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
        self.chat = Chat(self.processor)

    def inputs(self, prompt: Prompt) -> Any:
        images = [load_image(path, SIZE) for path in prompt.images] or None
        return self.processor(text=[self.chat.text(prompt)], images=images, return_tensors="pt")

    def tokens(self, prompt: Prompt) -> list[int]:
        return self.inputs(prompt)["input_ids"][0].tolist()

    def text(self, prompt: Prompt, tokens: int) -> str:
        inputs = self.inputs(prompt)
        ids = self.model.generate(**inputs, max_new_tokens=tokens, do_sample=False)[0]
        return self.processor.tokenizer.decode(ids[inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    def logprobs(self, prompt: Prompt, words: tuple[str, ...]) -> list[float]:
        """Summed over the variants that the tokenizer holds as one token."""
        import torch

        with torch.inference_mode():
            found = self.model(**self.inputs(prompt)).logits[0, -1].log_softmax(-1)
        encode = self.processor.tokenizer.encode
        sums = []
        for word in words:
            forms = {word, word.upper(), word.capitalize(), f" {word}", f" {word.upper()}", f" {word.capitalize()}"}
            ids = {tuple(encode(form, add_special_tokens=False)) for form in forms}
            sums.append(math.log(sum(found[one[0]].exp().item() for one in ids if len(one) == 1)))
        return sums

    def text_logprobs(self, prompt: Prompt, text: str) -> list[float]:
        """Of each token of `text` behind the answer so far."""
        import torch

        first, whole = len(self.tokens(prompt)), replace(prompt, answer=prompt.answer + text)
        with torch.inference_mode():
            found = self.model(**self.inputs(whole)).logits[0].log_softmax(-1)
        ids = self.tokens(whole)
        return [found[place - 1, ids[place]].item() for place in range(first, len(ids))]


def greedy(run: Run, engine: VllmEngine, prompt: Prompt, stop: str = "", tokens: int = 48) -> str:
    return run(engine.generate(prompt, stop=stop, max_tokens=tokens, meter=Meter())).text


def test_both_sides_read_the_same_tokens(pair: SimpleNamespace, run: Run, samples: list[Prompt]) -> None:
    for prompt in samples:
        assert run(pair.engine.prompt_tokens(prompt)) == pair.beside.tokens(prompt)


def test_an_answer_has_as_many_tokens_as_are_read_of_it(pair: SimpleNamespace, run: Run, prompts: list[Prompt]) -> None:
    longer = continued(prompts[0], ("Row 1 column 1 is 3.", "3 + 4 = 7."))
    read = [len(run(pair.engine.prompt_tokens(prompt))) for prompt in (prompts[0], longer)]
    assert pair.engine.text_tokens(longer.answer) == read[1] - read[0] > 10


def test_images_beyond_the_caps_are_the_same_image(pair: SimpleNamespace, run: Run, tmp_path: Path) -> None:
    from PIL import Image

    for size in ((1200, 500), (9, 17)):
        Image.linear_gradient("L").resize(size).save(tmp_path / "image.png")
        prompt = Prompt(f"{IMAGE_MARK}What is it?", (str(tmp_path / "image.png"),))
        assert run(pair.engine.prompt_tokens(prompt)) == pair.beside.tokens(prompt)
        run(pair.engine.reset())


@pytest.mark.instructions
def test_greedy_text_equals_transformers(pair: SimpleNamespace, run: Run, samples: list[Prompt]) -> None:
    for prompt in samples:
        assert greedy(run, pair.engine, prompt) == pair.beside.text(prompt, 48)


@pytest.mark.instructions
def test_a_cached_prefix_changes_nothing(pair: SimpleNamespace, run: Run, samples: list[Prompt]) -> None:
    cached = [greedy(run, pair.engine, prompt) for prompt in samples]
    run(pair.engine.reset())
    assert [greedy(run, pair.engine, prompt) for prompt in samples] == cached


def test_a_context_that_is_full_is_told(pair: SimpleNamespace, run: Run, prompts: list[Prompt]) -> None:
    """By the prompt alone, or by prompt and answer in the middle of a stream; and the engine goes on."""
    long = replace(prompts[0], answer="Row 1 column 1 is 3.\n\n" * 200)
    tokens = len(run(pair.engine.prompt_tokens(prompts[0])))
    told = rf"{pair.engine.name}: context_tokens \(1024\) is full, of which the question alone takes {tokens}: raise it"
    with pytest.raises(Refused, match=told):
        greedy(run, pair.engine, long)
    step = len(run(pair.engine.prompt_tokens(continued(prompts[0], ("Row 1 column 1 is 3.",))))) - tokens
    nearly = continued(prompts[0], ("Row 1 column 1 is 3.",) * ((1020 - tokens) // step))

    async def all_steps() -> list[Generation]:
        settings = {"stop": STEP_BREAK, "step_tokens": 40, "max_tokens": 240, "stepwise": False, "meter": Meter()}
        return [one async for one in pair.engine.stream(nearly, **settings)]

    with pytest.raises(Refused, match=told):
        run(all_steps())
    assert greedy(run, pair.engine, prompts[0])


def test_images_that_an_engine_does_not_take_are_refused(
    pair: SimpleNamespace, run: Run, prompts: list[Prompt], tmp_path: Path
) -> None:
    """By number, or by a shape that the family's processor refuses; and the engine goes on."""
    from PIL import Image

    many = Prompt(IMAGE_MARK * 9 + "What?", prompts[0].images * 9)
    with pytest.raises(Refused, match="a question of 9 images: an engine is started for 8"):
        run(pair.engine.warm_up(many))
    if "q3vl" in pair.engine.name:
        Image.new("RGB", (3000, 4)).save(tmp_path / "line.png")
        with pytest.raises(Refused, match=r"its processor does not take the images \(.*aspect ratio"):
            greedy(run, pair.engine, Prompt(f"{IMAGE_MARK}What?", (str(tmp_path / "line.png"),)))
    assert greedy(run, pair.engine, prompts[0])


@pytest.mark.parametrize("beyond", [-1, 0, 2])
def test_streams_and_single_requests_are_refused_at_the_same_step(run: Run, prompts: list[Prompt], beyond: int) -> None:
    """Where the context ends within the first step, with its very last token, or within the second."""
    model, limits = DRAFTS[0], {"stop": STEP_BREAK, "max_tokens": 40, "meter": Meter()}

    async def sizes() -> tuple[int, Generation]:
        async with engine_of(ZOO, model) as engine:
            return len(await engine.prompt_tokens(prompts[0])), await engine.generate(prompts[0], **limits)

    async def streamed(engine: VllmEngine, steps: list[str]) -> None:
        async for step in engine.stream(prompts[0], step_tokens=40, stepwise=True, **limits | {"max_tokens": 240}):
            steps.append(step.text)

    async def asked(engine: VllmEngine, steps: list[str]) -> None:
        prompt = prompts[0]
        while True:
            step = await engine.generate(prompt, **limits)
            steps.append(step.text)
            prompt = continued(prompt, (step.text,))

    async def refused() -> list[tuple[list[str], str]]:
        async with engine_of(ZOO, model, context=tokens + first.tokens + beyond) as engine:
            found: list[tuple[list[str], str]] = []
            for way in (streamed, asked):
                steps: list[str] = []
                with pytest.raises(Refused) as told:
                    await way(engine, steps)
                found.append((steps, told.value.why))
            return found

    tokens, first = run(sizes())
    assert first.finish == "stop"
    one, other = run(refused())
    assert one == other and one[0] == ([] if beyond < 0 else [first.text])


def test_another_image_is_another_prompt(pair: SimpleNamespace, run: Run, prompts: list[Prompt]) -> None:
    asked = [replace(prompts[0], images=other.images, request=VERIFY) for other in prompts[10:40:10]]
    found = {run(pair.engine.keyword_logprobs(prompt, DIGITS if pair.target else ("no",)))[0] for prompt in asked}
    assert len(found) == len(asked)


@pytest.mark.instructions
def test_keyword_logprobs_equal_transformers(pair: SimpleNamespace, run: Run, samples: list[Prompt]) -> None:
    if not pair.target:
        pytest.skip("a draft gives no verdicts")
    for prompt in samples:
        for request, words in ((VERIFY, VERDICT), (SCORE, DIGITS)):
            asked = verdict_prompt(prompt, ("Row 1 column 1 is 3.",), request)
            for _ in range(2):  # the second finds its prefix in the cache
                found = run(pair.engine.keyword_logprobs(asked, words))
                assert found == pytest.approx(pair.beside.logprobs(asked, words), abs=1e-4)


def test_text_logprobs_equal_transformers(pair: SimpleNamespace, run: Run, samples: list[Prompt]) -> None:
    """Of a text that it did not write, with and without its prefix in the cache, and of the likeliest one."""
    for prompt in samples:
        own = greedy(run, pair.engine, prompt, stop=STEP_BREAK)
        for text in ("Row 1 column 1 is 3.", own):
            expected = pair.beside.text_logprobs(prompt, text)
            for _ in range(2):
                assert run(pair.engine.text_logprobs(prompt, text)) == pytest.approx(expected, abs=1e-4)
    assert run(pair.engine.text_logprobs(samples[0], "")) == ()
    with pytest.raises(Refused, match="is full"):
        run(pair.engine.text_logprobs(samples[0], "3 " * 2000))


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_stream_writes_what_single_requests_write(
    pair: SimpleNamespace, run: Run, samples: list[Prompt], temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair.engine, "_sampling", SAMPLING.model_copy(update={"temperature": temperature}))

    async def streamed(prompt: Prompt, cap: int) -> list[tuple]:
        limits = {"step_tokens": cap, "max_tokens": 60, "stepwise": True}
        request = pair.engine.stream(prompt, stop=STEP_BREAK, meter=Meter(), **limits)
        return [(step.text, step.tokens, step.finish) async for step in request]

    async def asked(prompt: Prompt, cap: int) -> list[tuple]:
        left, steps = 60, []
        while left > 0 and not (steps and steps[-1][2] == "end"):
            step = await pair.engine.generate(prompt, stop=STEP_BREAK, max_tokens=min(cap, left), meter=Meter())
            steps.append((step.text, step.tokens, step.finish))
            left -= step.tokens
            prompt = replace(prompt, answer=prompt.answer + step.text + STEP_BREAK * (step.finish == "stop"))
        return steps

    for prompt in samples:
        for cap in (7, 40):
            assert run(streamed(prompt, cap)) == run(asked(prompt, cap))


def test_a_cancelled_request_is_dropped_and_metered(pair: SimpleNamespace, run: Run, prompts: list[Prompt]) -> None:
    async def cancelled(stream: bool) -> int:
        meter = Meter()
        task = asyncio.create_task(_long(pair.engine, prompts[0], meter, stream))
        under_way = pair.engine._vllm._engine.output_processor.request_states
        while not any(state.detokenizer.num_output_tokens() for state in under_way.values()):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return meter.tokens

    before = greedy(run, pair.engine, prompts[0])
    for stream in (False, True):
        assert run(cancelled(stream)) > 0
        run(pair.engine.reset())  # refused while any request holds blocks
    assert greedy(run, pair.engine, prompts[0]) == before


async def _long(engine: VllmEngine, prompt: Prompt, meter: Meter, stream: bool) -> None:
    """A request that would go on for seconds: its stop string never comes, nor does the end token count."""
    while True:
        if stream:
            limits = {"step_tokens": 600, "max_tokens": 600, "stepwise": True}
            request = engine.stream(prompt, stop=STEP_BREAK, meter=meter, **limits)
            async for _ in request:
                pass
        else:
            await engine.generate(prompt, stop="", max_tokens=600, meter=meter)


def test_texts_alone_and_in_a_batch_agree(pair: SimpleNamespace, run: Run, prompts: list[Prompt]) -> None:
    """Not all need to: rounding depends on the batch and can flip a near-tie. The share is reported."""
    prompts = prompts[::3]

    async def batched() -> list[str]:
        requests = (pair.engine.generate(prompt, stop="", max_tokens=60, meter=Meter()) for prompt in prompts)
        return [done.text for done in await asyncio.gather(*requests)]

    alone = [greedy(run, pair.engine, prompt, tokens=60) for prompt in prompts]
    run(pair.engine.reset())
    same = sum(one == other for one, other in zip(alone, run(batched()), strict=True))
    print(f"{pair.engine.name}: {same} of {len(prompts)} texts are the same alone and in a batch")
    assert same >= 0.9 * len(prompts)


def test_a_request_that_outlives_its_engine_is_closed_without_a_word(run: Run, prompts: list[Prompt]) -> None:
    """As a job's are that is told to end at once: what closes first is not for it to say."""

    async def outlived() -> Generation:
        async with engine_of(ZOO, "q3vl-2l") as engine:
            steps = engine.stream(
                prompts[0], stop=STEP_BREAK, step_tokens=4, max_tokens=200, stepwise=False, meter=Meter()
            )
            first = await anext(steps)
        await steps.aclose()
        return first

    assert run(outlived()).text


def test_two_engines_serve_at_once(run: Run, prompts: list[Prompt]) -> None:
    async def both() -> tuple[list[str], list[str]]:
        async with AsyncExitStack() as stack:
            engines = [await stack.enter_async_context(engine_of(ZOO, name)) for name in (TARGETS[0], DRAFTS[1])]
            requests = [e.generate(prompts[0], stop="", max_tokens=60, meter=Meter()) for e in engines]
            together = [done.text for done in await asyncio.gather(*requests)]
            for engine in engines:
                await engine.reset()
            one_by_one = [await e.generate(prompts[0], stop="", max_tokens=60, meter=Meter()) for e in engines]
            return together, [done.text for done in one_by_one]

    together, one_by_one = run(both())
    assert together == one_by_one


@pytest.mark.instructions
def test_ngram_speculation_changes_no_text_and_gives_no_verdicts(run: Run, prompts: list[Prompt]) -> None:
    async def texts(ngram: Ngram | None) -> list[str]:
        async with engine_of(ZOO, TARGETS[0], ngram) as engine:
            if ngram:
                with pytest.raises(ValueError, match="n-gram"):
                    await engine.keyword_logprobs(replace(prompts[0], request=VERIFY), VERDICT)
            done = [await engine.generate(p, stop="", max_tokens=60, meter=Meter()) for p in prompts[:4]]
            return [one.text for one in done]

    assert run(texts(Ngram(5, 2, 4))) == run(texts(None))


def test_a_model_that_cannot_be_loaded_is_named(run: Run, tmp_path: Path) -> None:
    """Weights that were cut off; no other try would mend that, so it is no dead engine."""
    folder = shutil.copytree(ZOO / "q3vl-2l", tmp_path / "q3vl-2l")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    settings = SimpleNamespace(generation=SAMPLING, images=SIZE, context_tokens=1024, device="cpu")
    with pytest.raises(UserError, match=f"model q3vl-2l: vLLM could not start with {folder}"):
        run(VllmEngine(tmp_path, reference("q3vl-2l"), settings).__aenter__())


def test_what_an_engine_does_not_start_for_is_told(run: Run, tmp_path: Path) -> None:
    """The exception of the engine's process, which this one does not see; here sizes that are not the weights'."""
    folder = shutil.copytree(ZOO / "q3vl-2l", tmp_path / "q3vl-2l")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["intermediate_size"] *= 2
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="could not start") as told:
        run(engine_of(tmp_path, "q3vl-2l").__aenter__())
    assert told.value.cause and told.value.cause.certain
    assert re.search("(Assertion|Value|Runtime)Error", told.value.cause.text) and "root cause" not in str(told.value)


def test_a_dead_engine_is_told(run: Run, prompts: list[Prompt]) -> None:
    async def killed() -> None:
        async with engine_of(ZOO, DRAFTS[0]) as engine:
            task = asyncio.create_task(_long(engine, prompts[0], Meter(), stream=False))
            await asyncio.sleep(0.2)
            os.kill(_children(os.getpid())[-1], signal.SIGKILL)
            await task

    with pytest.raises(EngineDied, match=f"the engine of {DRAFTS[0]} died: it was killed by signal 9") as told:
        run(killed())
    assert told.value.cause and not told.value.cause.certain


ON_THREADS = """
import asyncio, torch
from test_vllm_engine import *
torch.set_num_threads(2)
torch.randn(1000, 1000).exp().sum()
async def answered():
    async with engine_of(ZOO, DRAFTS[0]) as engine:
        await asyncio.gather(*(engine.generate(Prompt("word " * 200 + str(k), ()), stop="", max_tokens=2, meter=Meter())
                               for k in range(8)))
if __name__ == "__main__":
    asyncio.run(answered())
"""


def test_an_engine_serves_a_process_that_computed_on_several_threads(tmp_path: Path) -> None:
    """Forked from it, the engine would wait for threads that it does not have."""
    script = tmp_path / "script.py"
    script.write_text(ON_THREADS)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, script], env=environment, check=True, timeout=240, cwd=ROOT)


def _children(parent: int) -> list[int]:
    """Process ids of a process's children, the last started last: ids begin anew where they have reached their end."""
    return [child.pid for child in sorted(psutil.Process(parent).children(), key=psutil.Process.create_time)]


def _job(data: Path, methods: dict[str, dict]) -> dict:
    refs = {name: reference(name).model_dump() for name in (TARGETS[0], DRAFTS[0])}
    return {
        "target": refs[TARGETS[0]],
        "draft": DRAFTS[0],
        "replicate": 0,
        "drafts": {"plain": refs[DRAFTS[0]]},
        "cells": {name: {"method": method, "digest": name} for name, method in methods.items()},
        "suite": {"slices": [{"benchmark": "mathverse"}, {"benchmark": "mmmu"}], "alone": 1},
        "generation": SAMPLING.model_dump(),
        "context_tokens": 1024,
        "images": SIZE.model_dump(),
        "device": "cpu",
    }


def test_a_job_whose_engine_dies_stops_and_goes_on(data: Path, tmp_path: Path) -> None:
    methods = {
        "dreamr_ns": {
            "loop": "fpsr",
            "verifier": "cpn",
            "alpha": 0.7,
            "window": 4,
            "target_speculation": "all",
            "continues": True,
        },
        "draft_only": {"loop": "draft_only"},
    }
    command = [sys.executable, "-m", "dreamr", "generate", "--spec", json.dumps(_job(data, methods))]
    command += ["--models", str(ZOO), "--data", str(data), "--cells", str(tmp_path / "cells")]
    command += ["--out", str(tmp_path / "traces.jsonl")]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not any(path.stat().st_size for path in tmp_path.glob("cells/*.jsonl")):
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.05)
    os.kill(_children(first.pid)[0], signal.SIGKILL)
    _, errors = first.communicate(timeout=120)
    assert first.returncode not in (0, None)
    assert "died" in errors and "run the same command again" in errors
    assert not (tmp_path / "traces.jsonl").exists()
    temporary = tmp_path / "a folder for what is temporary, by a path that is too long for a socket"
    temporary.mkdir()
    subprocess.run(command, check=True, timeout=300, env=os.environ | {"TMPDIR": str(temporary)})
    assert not [path for path in temporary.rglob("*") if path.is_socket()]
    traces = list(read_rows(tmp_path / "traces.jsonl", Trace))
    questions = sum(len((data / f"{name}.jsonl").read_text().splitlines()) for name in ("mathverse", "mmmu"))
    assert [trace.method for trace in traces] == ["dreamr_ns"] * (questions + 2) + ["draft_only"] * (questions + 2)
    assert all(trace.seconds > 0 and (trace.baseline_seconds or 0) > 0 for trace in traces if trace.mode == "alone")


def test_the_last_line_of_a_job_is_the_exception_of_its_engine(data: Path, tmp_path: Path) -> None:
    """An operator is missing, which shows at the first request."""
    methods = {"draft_only": {"loop": "draft_only"}}
    command = [sys.executable, "-m", "dreamr", "generate", "--spec", json.dumps(_job(data, methods))]
    command += ["--models", str(ZOO), "--data", str(data), "--cells", "cells", "--out", "traces.jsonl"]
    missing = "AttributeError: '_OpNamespace' '_C' object has no attribute 'cpu_attention_with_kv_cache'"
    assert broken(command, tmp_path)[-1] == (
        f"the engine of {TARGETS[0]} died: {missing}; its log: job.engines/{TARGETS[0]}.log; "
        "0 finished answers are kept: run the same command again to go on"
    )
    assert missing in (tmp_path / f"job.engines/{TARGETS[0]}.log").read_text()


def broken(command: list[str], folder: Path) -> list[str]:
    """The log of a command where vLLM's library lacks an operator."""
    path = f"{Path(__file__).with_name('without_attention')}:{ROOT / 'src'}"
    with (folder / "job.log").open("w") as log:
        done = subprocess.run(
            command, cwd=folder, env=os.environ | {"PYTHONPATH": path}, stdout=log, stderr=log, timeout=300, check=False
        )
    assert done.returncode == 1
    return (folder / "job.log").read_text().splitlines()


def test_a_job_finishes_though_a_question_is_too_long(data: Path, tmp_path: Path) -> None:
    """For its engines it is so for certain, which is found and told before it is asked."""
    rows = list(read_rows(data / "mathverse.jsonl", Question))[:4]
    long = rows[2].model_copy(update={"id": "long", "prompt": "so " * 1100 + rows[2].prompt})
    write_rows(tmp_path / "data" / "mathverse.jsonl", [*rows[:2], long, *rows[2:]])
    (tmp_path / "data" / "images").symlink_to(data / "images")
    methods = {"target_only": {"loop": "target_only"}, "lookahead": {"loop": "lookahead", "verifier": "align"}}
    methods["lookahead"] |= {"alpha": 0.5, "window": 4, "continues": False}
    methods["dreamr_ns"] = {"loop": "fpsr", "verifier": "cpn", "alpha": 0.7, "window": 4}
    methods["dreamr_ns"] |= {"target_speculation": "all", "continues": True}
    job = _job(data, methods) | {"suite": {"slices": [{"benchmark": "mathverse"}], "alone": 5}}
    command = [sys.executable, "-m", "dreamr", "generate", "--spec", json.dumps(job), "--models", str(ZOO)]
    command += ["--data", str(tmp_path / "data"), "--cells", str(tmp_path / "cells"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, check=True, timeout=300, stdout=subprocess.PIPE, text=True)
    assert re.search(rf"{TARGETS[0]}: 5 questions of up to \d{{4}} tokens; .* 1 will be refused, 0 where", done.stdout)
    traces = list(read_rows(tmp_path / "out", Trace))
    refused = [trace for trace in traces if trace.question == "long"]
    assert {(trace.method, trace.mode) for trace in refused} == {
        (m, how) for m in methods for how in ("batched", "alone")
    }
    assert [trace for trace in traces if trace.refusal] == refused and len(traces) == 2 * 5 * len(methods)
    for trace in refused:
        assert trace.finish == "refused" and "context_tokens (1024) is full, of which the question" in trace.refusal
        assert {one.fits for one in trace.fits} == {"no"} and trace.baseline_seconds is None


def test_one_question_is_shown_step_by_step(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from dreamr.cli.ask import main
    from dreamr.cli.live import Chosen

    (tmp_path / "data").symlink_to(data)
    for name in (TARGETS[0], DRAFTS[0]):
        shutil.copytree(ZOO / name, tmp_path / "models" / name)
        (tmp_path / "models" / name / "card.json").write_text("{}")
    (tmp_path / "here.yaml").write_text(f"pathvars: {{results: {tmp_path}}}")
    chosen = Chosen(("dreamr_ns",), TARGETS[0], DRAFTS[0])
    files = (ROOT / "config" / "config.yaml", tmp_path / "here.yaml")
    main(benchmark="mathverse", question="1", chosen=chosen, configfile=files)
    shown = capfd.readouterr().out.splitlines()
    steps = [line for line in shown if " s  draft " in line or " s  target " in line]
    assert len(steps) > 1 and "Answer:" in steps[-1]
    assert any(line.split()[:2] == ["ended", "by"] for line in shown)
