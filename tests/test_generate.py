import asyncio
import json
import math
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import scripted
from forks import Forked
from hypothesis import given
from hypothesis import strategies as st

from dreamr.answering.cells import CellFile
from dreamr.answering.fitting import fit, in_words, read_tokens
from dreamr.answering.questions import Asked, _blocks, spread, suite_questions
from dreamr.answering.runs import MOST_REFUSED, Refusals
from dreamr.answering.work import answer
from dreamr.config import Suite
from dreamr.engines.protocol import Refused
from dreamr.errors import Interrupted
from dreamr.methods.protocol import Limits
from dreamr.micro.datasets import Fact
from dreamr.micro.world import random_truth
from dreamr.prompts import Prompt
from dreamr.records import Question, read_rows, write_rows
from dreamr.traces import Trace

SCRIPTED = Path(__file__).with_name("scripted.py")
METHODS = {
    "target_only": {"loop": "target_only"},
    "ngram": {"loop": "spec_decoding", "ngram_tokens": 5, "ngram_lookup": [2, 4]},
    "two_threads": {"loop": "target_only", "threads": 2},
    "dreamr": {
        "loop": "fpsr",
        "draft": "balanced",
        "verifier": "cpn",
        "alpha": 0.7,
        "window": 4,
        "target_speculation": "all",
        "continues": True,
    },
    "draft_only": {"loop": "draft_only"},
    "specreason": {"loop": "specreason", "verifier": "cpn", "alpha": 0.7},
}
PIPELINED = METHODS["dreamr"] | {"target_speculation": "none", "continues": False}
SAME_TEXT = {"pipelined": PIPELINED, "sequential": METHODS["specreason"] | {"draft": "balanced"}}
METHODS |= SAME_TEXT | {"strict": METHODS["dreamr"] | {"alpha": 0.9}}
# What two runs of the same cell must agree in; the rest are times, and work that depends on them.
TIMELESS = {
    *("question", "benchmark", "target", "draft", "method", "mode", "digest", "text", "steps", "finish", "device"),
    *("refused_by", "refusal", "fits"),
}


def reference(name: str) -> dict:
    return {"name": name, "engine": {"dtype": "float32"}, "thinking": False, "trust_remote_code": False, "digest": name}


def job(methods: list[str], alone: int = 2, draft: str = "small") -> dict:
    return {
        "target": reference("big"),
        "draft": draft,
        "replicate": 0,
        "drafts": {} if draft == "none" else {"plain": reference("small"), "balanced": reference("small.balanced.big")},
        "cells": {name: {"method": METHODS[name], "digest": f"cell-{name}"} for name in methods},
        "suite": {"slices": [{"benchmark": "sums"}, {"benchmark": "words"}], "alone": alone},
        "generation": {
            **{"temperature": 0, "top_p": 1, "top_k": -1, "seed": 0},
            **{"step_tokens": 40, "answer_tokens": 240, "concurrency": 3},
        },
        "context_tokens": 1024,
        "images": {"min_pixels": 784, "max_pixels": 65536},
        "device": "cpu",
    }


class Bench:
    """A folder with models and questions, and the command that answers them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.printed = ""  # by the last run
        for name in ("big", "small", "small.balanced.big"):
            (folder / "models" / name).mkdir(parents=True)
            (folder / "models" / name / "model.safetensors").write_text(name)
        for name in ("sums", "words"):
            self.ask(name, *(f"{name} {i}?" for i in range(5)))

    def ask(self, benchmark: str, *prompts: str) -> None:
        rows = [
            Question(id=str(i), dataset=benchmark, prompt=prompt, images=(), gold=("1",), cluster=str(i))
            for i, prompt in enumerate(prompts)
        ]
        write_rows(self.folder / "data" / f"{benchmark}.jsonl", rows)

    def start(self, spec: dict, delay: float = 0.0, refused: dict | None = None, command: str = "generate") -> Forked:
        out = {"generate": "traces/all.jsonl", "answer": "answered/all.json"}[command]
        options = {"models": "models", "data": "data", "cells": "cells", "out": out}
        words = ["--spec", json.dumps(spec)]
        words += [part for name, value in options.items() for part in (f"--{name}", value)]
        environment = dict(os.environ) | {"SCRIPTED_LOG": str(self.log), "SCRIPTED_COMMAND": command}
        environment |= {"SCRIPTED_DELAY": str(delay), "SCRIPTED_REFUSED": json.dumps(refused or {})}
        return Forked(scripted.forked, words, cwd=self.folder, env=environment)

    def answer(self, spec: dict, refused: dict | None = None) -> dict:
        """What the untimed part of a job leaves as its mark."""
        process = self.start(spec, refused=refused, command="answer")
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return json.loads((self.folder / "answered" / "all.json").read_text())

    def run(self, spec: dict, refused: dict | None = None) -> list[Trace]:
        process = self.start(spec, refused=refused)
        self.printed, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return list(read_rows(self.folder / "traces" / "all.jsonl", Trace))

    def requests(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def finished(self) -> int:
        return sum(len(path.read_bytes().splitlines()) for path in self.folder.glob("cells/*.jsonl"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench")


def timeless(traces: list[Trace]) -> list[dict]:
    return [trace.model_dump(include=TIMELESS) for trace in traces]


def test_every_cell_answers_every_question_in_a_fixed_order(bench: Bench) -> None:
    traces = bench.run(job(["dreamr", "specreason"]))
    batched = [trace for trace in traces if trace.mode == "batched"]
    order = [(name, part, str(i)) for name in ("dreamr", "specreason") for part in ("sums", "words") for i in range(5)]
    assert [(trace.method, trace.benchmark, trace.question) for trace in batched] == order
    alone = Counter((trace.method, trace.benchmark) for trace in traces if trace.mode == "alone")
    assert set(alone.values()) == {2}
    texts = {(trace.method, trace.benchmark, trace.question): trace.text for trace in batched}
    assert all(texts[trace.method, trace.benchmark, trace.question] == trace.text for trace in traces)


@pytest.mark.parametrize("first", [[], ["pipelined"]])
def test_methods_of_one_text_answer_together_many_at_once(bench: Bench, first: list[str]) -> None:
    """Also where one of them has answered in an earlier job; timed, each answers by itself."""
    if first:
        bench.run(job(first, alone=0))
    alike = ["dreamr", *SAME_TEXT]
    before = len(bench.requests())
    traces = bench.run(job([*alike, "strict"], alone=0))
    together = len(bench.requests()) - before
    assert {trace.method for trace in traces} == {*alike, "strict"} and len(traces) == 4 * 10
    answers = {name: [(t.question, t.text, t.steps) for t in traces if t.method == name] for name in alike}
    assert answers["dreamr"] == answers["pipelined"] == answers["sequential"]
    assert len({trace.digest for trace in traces}) == 4
    shutil.rmtree(bench.folder / "cells")
    bench.run(job(["dreamr", "strict"], alone=0))
    apart = len(bench.requests()) - before - together
    assert together < apart if first else together == apart


def test_only_answers_given_alone_have_a_baseline(bench: Bench) -> None:
    traces = bench.run(job(["dreamr", "specreason"]))
    assert all((trace.baseline_seconds is not None) == (trace.mode == "alone") for trace in traces)
    alone = [trace for trace in traces if trace.mode == "alone"]
    pairs = {(trace.benchmark, trace.question): trace.baseline_seconds for trace in alone}
    assert all(pairs[trace.benchmark, trace.question] == trace.baseline_seconds for trace in alone)


def test_what_others_did_meanwhile_is_kept_of_timed_answers(bench: Bench) -> None:
    traces = [*bench.run(job(["dreamr", "specreason"])), *bench.run(under_load(["dreamr"]))]
    shares = {
        mode: {trace.background for trace in traces if trace.mode == mode} for mode in ("batched", "alone", "load")
    }
    assert shares["batched"] == {None}
    assert all(0 <= share <= 1 for share in shares["alone"] | shares["load"])


def test_every_answer_is_counted_by_the_target_s_tokenizer(bench: Bench) -> None:
    """The scripted tokenizer of a model adds the letters of its name."""
    for trace in bench.run(job(["draft_only", "dreamr"])):
        assert trace.tokens_by_target == len(trace.text.split()) + len("big")


def test_target_only_is_timed_against_a_second_run_of_itself(bench: Bench) -> None:
    """Its speed-up is a control of the clock: it should be 1, and is not by construction."""
    traces = bench.run(job(["target_only", "ngram", "two_threads"], draft="none"))
    alone = [trace for trace in traces if trace.mode == "alone"]
    assert all(trace.seconds != trace.baseline_seconds for trace in alone)
    baselines = [[one.baseline_seconds for one in alone if one.method == name] for name in ("target_only", "ngram")]
    assert baselines[0] == baselines[1]
    assert {line.split()[0] for line in bench.requests()} == {"big", "big+ngram", "big+threads"}
    assert {trace.draft for trace in traces} == {"none"}


def test_models_start_once_and_forget_before_each_timed_answer(bench: Bench) -> None:
    bench.run(job(["dreamr", "specreason"], alone=2))
    counts = Counter(tuple(line.split()[:2]) for line in bench.requests())
    assert {engine: counts[engine, "start"] for engine in ("big", "small", "small.balanced.big")} == {
        "big": 1,
        "small": 1,
        "small.balanced.big": 1,
    }
    # Two questions of two slices and one for warm-up, each by two methods and target-only.
    assert counts["big", "reset"] == counts["small", "reset"] == 5 * 3


def test_the_order_of_methods_turns_from_question_to_question(bench: Bench) -> None:
    bench.run(job(["dreamr", "specreason"], alone=2))
    kinds = [line.split()[:2] for line in bench.requests()]
    runs: list[set[str]] = []
    for before, (name, kind) in zip([["", ""], *kinds], kinds, strict=False):
        if kind == "reset" and before[1] != "reset":
            runs.append(set())
        elif runs and kind == "generate":
            runs[-1].add(name)
    loops = [("dreamr" if "small.balanced.big" in run else "specreason" if "small" in run else "alone") for run in runs]
    rounds = [loops[i : i + 3] for i in range(3, len(loops), 3)]  # the first is the warm-up
    assert all(len(set(one)) == 3 for one in rounds) and len(rounds) == 4
    assert {one[0] for one in rounds} == {"dreamr", "specreason", "alone"}


def test_a_killed_job_goes_on_where_it_stopped(bench: Bench, tmp_path: Path) -> None:
    spec = job(["dreamr", "specreason"])
    whole = Bench(tmp_path / "whole").run(spec)
    process = bench.start(spec, delay=0.03)
    while bench.finished() < 13:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (bench.folder / "traces").exists()
    kept = {path: path.read_bytes() for path in bench.folder.glob("cells/*.jsonl")}
    before = len(bench.requests())
    again = bench.run(spec)
    assert timeless(again) == timeless(whole)
    assert all(path.read_bytes().startswith(lines.rpartition(b"\n")[0]) for path, lines in kept.items())
    batched = sum(b'"batched"' in line for lines in kept.values() for line in lines.splitlines())
    drafted = [line for line in bench.requests()[before:] if line.startswith("small") and "generate" in line]
    assert batched >= 10 and len(drafted) < before


@pytest.mark.parametrize(("kept", "told"), [(0, "0 finished answers are"), (1, "1 finished answer is")])
def test_one_answer_is_one(monkeypatch: pytest.MonkeyPatch, kept: int, told: str) -> None:
    async def cut(_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr("dreamr.answering.work._answer", cut)
    with pytest.raises(Interrupted, match=f"told to stop; {told} kept"):
        answer(SimpleNamespace(kept=kept))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_job_told_to_stop_ends_its_engines(bench: Bench, number: int) -> None:
    process = bench.start(job(["dreamr"]), delay=0.03)
    while bench.finished() < 2:
        assert process.poll() is None
        time.sleep(0.02)
    for _ in range(2):  # as by a terminal and a wrapper that passes it on
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "told to stop" in errors and "are kept" in errors and "Traceback" not in errors
    counts = Counter(line.split()[1] for line in bench.requests())
    assert counts["start"] == counts["stop"] == 2


def test_a_job_told_to_stop_while_an_engine_is_loaded_does_not_wait_for_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large model may take longer to load than a cluster waits."""
    monkeypatch.setenv("SCRIPTED_LOADING", "60")
    process = bench.start(job(["dreamr"]))
    while not bench.requests():
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.5)  # now it is being loaded
    process.terminate()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors == "told to stop; what is finished is kept: run the same command again to go on\n"
    assert [line.split()[:2] for line in bench.requests()] == [["big", "start"]]


def test_a_finished_job_starts_no_engine(bench: Bench) -> None:
    spec = job(["dreamr"])
    first = bench.run(spec)
    before = bench.requests()
    (bench.folder / "traces" / "all.jsonl").unlink()
    assert bench.run(spec) == first
    assert bench.requests() == before


# --- answers that are not timed, in a job of their own ---


@pytest.mark.parametrize("refused", [{}, {"big": ["3?"]}], ids=["", "refused"])
def test_in_two_jobs_nothing_is_answered_twice_and_traces_are_those_of_one(
    bench: Bench, tmp_path: Path, refused: dict
) -> None:
    spec, single = job(["dreamr", "specreason"]), Bench(tmp_path / "single")
    whole = single.run(spec, refused)
    mark, first = bench.answer(spec, refused), bench.requests()
    assert not any(" reset " in line for line in first), "nothing is timed"
    assert mark["answers"] == bench.finished() == 2 * 10
    assert set(mark["cells"].values()) == {path.stem for path in bench.folder.glob("cells/*[0-9a-f].jsonl")}
    assert timeless(bench.run(spec, refused)) == timeless(whole)
    starts = [line for line in bench.requests() if line.split()[1] in ("start", "stop", "warm_up")]
    asked = Counter(line for line in bench.requests() if line not in starts)
    begun = [line for line in single.requests() if line.split()[1] in ("start", "stop", "warm_up")]
    assert asked == Counter(line for line in single.requests() if line not in begun)
    assert Counter(starts) == Counter(begun * 2), "engines start once more, and no answer is given again"


def test_the_untimed_part_goes_on_where_it_stopped(bench: Bench) -> None:
    spec = job(["dreamr", "specreason"])
    process = bench.start(spec, delay=0.03, command="answer")
    while bench.finished() < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 1 and not (bench.folder / "answered").exists()
    kept = {path: path.read_bytes() for path in bench.folder.glob("cells/*.jsonl")}
    assert bench.answer(spec)["answers"] == bench.finished() == 20
    assert all(path.read_bytes().startswith(lines) for path, lines in kept.items())
    before = bench.requests()
    assert bench.answer(spec)["answers"] == 20 and bench.requests() == before


def test_a_further_method_leaves_the_others_alone(bench: Bench) -> None:
    first = bench.run(job(["dreamr"]))
    before = len(bench.requests())
    both = bench.run(job(["dreamr", "specreason"]))
    assert both[: len(first)] == first
    assert not any(line.startswith("small.balanced.big") for line in bench.requests()[before:])


def test_other_model_files_are_another_cell(bench: Bench) -> None:
    first = bench.run(job(["dreamr"]))
    (bench.folder / "models" / "small.balanced.big" / "model.safetensors").write_text("retrained")
    again = bench.run(job(["dreamr"]))
    assert {trace.digest for trace in first}.isdisjoint({trace.digest for trace in again})


def test_other_questions_are_another_cell(bench: Bench) -> None:
    first = bench.run(job(["dreamr"]))
    path = bench.folder / "data" / "sums.jsonl"
    path.write_text(path.read_text().replace("sums 3?", "sums 4?"))
    again = bench.run(job(["dreamr"]))
    assert {trace.digest for trace in first}.isdisjoint({trace.digest for trace in again})


def test_only_times_of_this_device_are_taken_up(bench: Bench) -> None:
    first = bench.run(job(["dreamr"]))
    (path,) = bench.folder.glob("cells/*.jsonl")
    card = path.with_suffix(".card.json")
    path.write_text(path.read_text().replace(f'"device":"{first[0].device}"', '"device":"elsewhere"'))
    card.write_text(card.read_text().replace(first[0].device, "elsewhere"))
    again = bench.run(job(["dreamr"]))
    assert [machine["device"] for machine in json.loads(card.read_text())["machines"]] == ["elsewhere", first[0].device]
    assert {(trace.mode, trace.device) for trace in again} == {("batched", "elsewhere"), ("alone", first[0].device)}


@pytest.mark.parametrize(("loop", "opened"), [("draft_only", False), ("fpsr", True)])
def test_a_trace_tells_whether_its_answer_opens_a_thinking_block(bench: Bench, loop: str, opened: bool) -> None:
    spec = job(["dreamr"]) | {"target": {**reference("big"), "thinking": True}}
    if loop == "draft_only":
        spec["cells"] = {"draft_only": {"method": {"loop": "draft_only"}, "digest": "d"}}
    assert {trace.thinking for trace in bench.run(spec)} == {opened}


def test_a_torn_last_line_is_dropped(bench: Bench) -> None:
    spec = job(["dreamr"])
    first = bench.run(spec)
    (path,) = bench.folder.glob("cells/*.jsonl")
    path.write_bytes(path.read_bytes()[:-30])
    again = bench.run(spec)
    assert timeless(again) == timeless(first)
    assert len(CellFile(path, first[0].device).traces) == len(first)


def test_a_full_disk_is_told_and_what_was_finished_is_taken_up(bench: Bench, small_disk: Path, tmp_path: Path) -> None:
    spec = job(["dreamr", "specreason"])
    whole = Bench(tmp_path / "whole").run(spec)
    (bench.folder / "cells").symlink_to(small_disk)
    subprocess.run(["mount", "-o", "remount,size=32k", small_disk], check=True)
    process = bench.start(spec)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(r"^cells cannot be written: No space left on device", errors, re.M), errors
    assert 0 < bench.finished() < len(whole) and not (bench.folder / "traces").exists()
    subprocess.run(["mount", "-o", "remount,size=2m", small_disk], check=True)
    kept = {path: path.read_bytes().rpartition(b"\n")[0] for path in small_disk.glob("*.jsonl")}
    assert timeless(bench.run(spec)) == timeless(whole)
    assert all(path.read_bytes().startswith(lines) for path, lines in kept.items())


def test_two_writers_never_share_a_cell(bench: Bench) -> None:
    spec = job(["dreamr"])
    first = bench.start(spec, delay=0.03)
    while bench.finished() < 2:
        assert first.poll() is None
        time.sleep(0.02)
    second = bench.start(spec)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1 and f"is being written by process {first.pid} on" in errors
    assert first.wait(timeout=60) == 0
    lines = [line for path in bench.folder.glob("cells/*.jsonl") for line in path.read_text().splitlines()]
    assert len(lines) == len(set(lines)) == len(list(read_rows(bench.folder / "traces/all.jsonl", Trace)))


def test_a_card_tells_where_a_cell_comes_from(bench: Bench) -> None:
    traces = bench.run(job(["dreamr"]))
    (path,) = bench.folder.glob("cells/*.card.json")
    card = json.loads(path.read_text())
    (machine,) = card["machines"]
    assert card["digest"] == traces[0].digest and machine["device"] == traces[0].device
    assert {"python", "pydantic"} <= set(machine["versions"]) and re.search(r", \d+ cores$", machine["device"])
    assert card["job"]["target"]["name"] == "big"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"context_tokens": 0}, "context_tokens"),
        ({"suite": {"slices": [{"benchmark": "nothing"}], "alone": 0}}, "nothing"),
        ({"suite": {"slices": [{"benchmark": "sums", "shard": [7, 9]}], "alone": 0}}, "shard 7 of 9"),
        ({"target": reference("absent")}, "absent"),
    ],
)
def test_wrong_input_is_named(bench: Bench, change: dict, told: str) -> None:
    process = bench.start({**job(["dreamr"]), **change})
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert told in errors


def asked(number: int) -> list[Asked]:
    return [Asked("sums", str(i), str(i), Prompt("?", ())) for i in range(number)]


@given(st.integers(1, 200), st.integers(0, 60))
def test_timed_questions_are_spread_over_the_slice(number: int, wanted: int) -> None:
    questions = asked(number)
    chosen = [int(one.question) for one in spread(questions, wanted, "draft")]
    assert len(chosen) == min(number, wanted)
    assert chosen == sorted(set(chosen))
    gaps = [later - earlier for earlier, later in zip([-1, *chosen], [*chosen, number], strict=True)]
    assert not chosen or max(gaps) <= 2 * math.ceil(number / len(chosen))


def test_timed_questions_do_not_follow_the_period_of_the_data() -> None:
    chosen = [int(one.question) % 4 for one in spread(asked(96), 6, "draft")]
    assert len(set(chosen)) > 1


def test_drafts_are_timed_on_different_questions() -> None:
    chosen = {draft: spread(asked(96), 12, draft) for draft in ("one", "two", "three")}
    assert spread(asked(96), 12, "one") == chosen["one"]
    assert len({one.question for questions in chosen.values() for one in questions}) > 24


@given(st.integers(1, 9))
def test_shards_cover_a_benchmark_once(shards: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rows = [Question(id=str(i), dataset="d", prompt="?", images=(), gold=("1",), cluster="c") for i in range(20)]
        write_rows(Path(folder) / "sums.jsonl", rows)
        parts = [{"benchmark": "sums", "shard": (number + 1, shards)} for number in range(shards)]
        slices = suite_questions(Suite.model_validate({"slices": parts, "alone": 0}), Path(folder))
    assert [one.question for part in slices for one in part] == [row.id for row in rows]


# --- load ---


def under_load(methods: list[str], sizes: tuple[int, ...] = (1, 3), blocks: int = 2) -> dict:
    spec = job(methods, alone=0)
    spec["suite"]["load"] = {"sizes": sizes, "blocks": blocks}
    return spec


def under_way(trace: Trace) -> tuple[int, int, str, str]:
    assert trace.load
    return trace.load.block, trace.load.at_once, trace.benchmark, trace.question


def test_every_block_is_answered_at_every_size_beside_the_target(bench: Bench) -> None:
    traces = bench.run(under_load(["dreamr", "specreason"]))
    assert {trace.mode for trace in traces} == {"load"}
    found = Counter((trace.method, *under_way(trace)[1:]) for trace in traces)
    asked = [(part, str(i)) for part in ("sums", "words") for i in range(5)]
    assert found == Counter((name, n, *one) for name in ("dreamr", "specreason") for n in (1, 3) for one in asked)
    blocks = {under_way(trace)[2:]: trace.load.block for trace in traces}
    assert Counter(blocks.values()) == {0: 6, 1: 4} and {trace.load.questions for trace in traces} == {4, 6}
    loads = {(trace.method, *under_way(trace)[:2]): trace.load for trace in traces}
    assert len(loads) == 2 * 2 * 2 == len({load.seconds for load in loads.values()})
    assert len({load.baseline_seconds for load in loads.values()}) == 4, "both methods have one baseline"
    assert all(0 < trace.baseline_seconds < trace.load.baseline_seconds for trace in traces)


def test_no_more_than_asked_are_under_way_and_a_block_is_faster_than_its_answers(bench: Bench) -> None:
    process = bench.start(under_load(["specreason"], blocks=1), delay=0.01)
    assert process.wait(timeout=60) == 0
    for at_once in (1, 3):
        part = [row for row in read_rows(bench.folder / "traces/all.jsonl", Trace) if row.load.at_once == at_once]
        share = sum(trace.seconds for trace in part) / part[0].load.seconds
        assert at_once * 0.6 < share <= at_once


def test_at_each_size_the_target_answers_first_as_often_as_last(bench: Bench) -> None:
    bench.run(under_load(["specreason"], sizes=(1, 2)))
    log = [line.split()[:2] for line in bench.requests()]
    starts = [place for place, (name, kind) in enumerate(log) if (name, kind) == ("big", "reset")][2:]
    first = ["draft" if ["small", "generate"] in log[a:b] else "target" for a, b in pairwise([*starts, len(log)])]
    assert first == 2 * ["draft", "target"] + 2 * ["target", "draft"], "two sizes of one block, then of the other"


def test_a_block_that_lacks_an_answer_is_answered_anew_and_no_other(bench: Bench) -> None:
    spec = under_load(["specreason"])
    first = bench.run(spec)
    (path,) = bench.folder.glob("cells/*.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    again = bench.run(spec)
    torn = under_way(Trace.model_validate_json(lines[-1]))[:2]
    assert [under_way(trace) for trace in again] == [under_way(trace) for trace in first]
    for before, after in zip(first, again, strict=True):
        assert (before == after) == (under_way(before)[:2] != torn)
    assert bench.run(spec) == again


def test_a_block_smaller_than_a_load_is_named(bench: Bench) -> None:
    process = bench.start(under_load(["specreason"], sizes=(1, 8)))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "2 blocks have 4 questions and more, too few for 8 at once" in errors


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 4))
def test_blocks_hold_all_questions_and_whole_clusters(sizes: list[int], number: int) -> None:
    part = [Asked("sums", f"{c}-{i}", str(c), Prompt("?", ())) for c, size in enumerate(sizes) for i in range(size)]
    blocks = _blocks([part], number)
    assert sorted(one.question for block in blocks for one in block) == sorted(one.question for one in part)
    homes = Counter(one.cluster for block in blocks for one in {each.cluster: each for each in block}.values())
    assert set(homes.values()) == {1}
    assert max(map(len, blocks)) <= len(part) / number + max(sizes)


# --- verdicts of the step oracle ---


@pytest.mark.parametrize(("false_accept", "accepted"), [(0.0, 0), (1.0, 4)])
def test_the_step_oracle_judges_in_the_targets_place(bench: Bench, false_accept: float, accepted: int) -> None:
    """No step of a scripted engine says what the micro world could call right."""
    truth = random_truth(np.random.default_rng(0))
    for name in ("sums", "words"):
        write_rows(bench.folder / "micro" / name / "truth.jsonl", [Fact(id=str(i), truth=truth) for i in range(5)])
    spec = job(["specreason"], alone=0) | {"truth": "micro"}
    spec["cells"]["specreason"]["method"] = {
        **{"loop": "specreason", "verifier": "oracle", "false_accept": false_accept, "false_reject": 0.0}
    }
    traces = bench.run(spec)
    assert {trace.accepted for trace in traces} == {accepted} and len(traces) == 10
    assert not any(" verify " in line for line in bench.requests())


# --- questions that an engine refuses ---

FULL = "context_tokens (1024) is full: raise it"


def asked_of(traces: list[Trace]) -> set[tuple[str, str, str, str]]:
    return {(trace.method, trace.mode, trace.benchmark, trace.question) for trace in traces}


def with_draft_only(*methods: str, alone: int = 5) -> dict:
    spec = job([*methods], alone=alone)
    spec["cells"]["draft_only"] = {"method": {"loop": "draft_only"}, "digest": "d"}
    return spec


def test_a_refused_question_is_a_recorded_failure_and_no_dead_job(bench: Bench) -> None:
    """By the target, of methods that ask it; the draft by itself answers, with no time of the target beside it."""
    spec = with_draft_only("dreamr", "specreason")
    traces = bench.run(spec, refused={"big": ["3?"]})
    wanted = {
        (method, mode, benchmark, "3")
        for method in ("dreamr", "specreason")
        for mode in ("batched", "alone")
        for benchmark in ("sums", "words")
    }
    refused = [trace for trace in traces if trace.refusal]
    assert asked_of(refused) == wanted
    assert {(trace.refused_by, trace.refusal, trace.finish) for trace in refused} == {("big", FULL, "refused")}
    assert all(trace.spans for trace in refused), "what was asked stays in the record"
    lacking = {trace for trace in traces if trace.mode == "alone" and trace.baseline_seconds is None}
    assert asked_of(lacking) == {(m, "alone", b, "3") for m in spec["cells"] for b in ("sums", "words")}
    whole = bench.requests()
    assert bench.run(spec, refused={"big": ["3?"]}) == traces and bench.requests() == whole, "kept like any answer"


def test_a_draft_that_refuses_spoils_only_methods_that_use_it(bench: Bench) -> None:
    traces = bench.run(with_draft_only("dreamr", "specreason", alone=0), refused={"small": ["1?"]})
    assert {trace.method for trace in traces if trace.refusal} == {"specreason", "draft_only"}


def test_an_answer_that_grows_too_long_keeps_its_steps(bench: Bench) -> None:
    bench.ask("sums", "late 0?", "sums 1?")
    traces = bench.run(job(["target_only", "dreamr"], alone=0), refused={"big": ["late"]})
    (one,) = (trace for trace in traces if trace.method == "target_only" and trace.refusal)
    assert [step.text for step in one.steps] == one.text.split("\n\n") and len(one.steps) == 1
    assert one.tokens == one.target_tokens == 3
    (other,) = (trace for trace in traces if trace.method == "dreamr" and trace.refusal)
    assert other.steps == () and other.drafted > 0, "the verdict on the first step is too long already"


@pytest.mark.parametrize("refused", [["0?", "1?"], [f"{i}?" for i in range(5)]])
def test_engines_warm_up_with_a_question_that_they_take_or_with_none(bench: Bench, refused: list[str]) -> None:
    """The first question that is not timed would be their own choice."""
    traces = bench.run(job(["dreamr"], alone=1), refused={"big": refused})
    assert {trace.question for trace in traces if trace.refusal and trace.mode == "batched"} == {r[0] for r in refused}
    warm = [line for line in bench.requests() if " warm_up " in line]
    for name in ("big", "small.balanced.big"):
        last = [line for line in warm if line.startswith(name + " ")][-1:]
        assert not last or (last[0].split()[-1] not in refused) == (len(refused) < 5), last
    resets = sum(line.startswith("big reset") for line in bench.requests())
    assert resets == 2 * (2 + (len(refused) < 5)), "the round for nothing is one of a question that is answered"


def stopped(bench: Bench, delay: float = 0.0) -> str:
    """The last words of a job that stops."""
    process = bench.start(job(["specreason"]), delay=delay, refused={"big": ["late"]})
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and not (bench.folder / "traces").exists()
    return errors.splitlines()[-1]


def test_many_refused_questions_in_a_row_stop_the_job(bench: Bench) -> None:
    """In the order of the questions, whichever came first, and also those that an earlier job has kept."""
    bench.ask("sums", *(f"late {i}?" if 2 <= i < 2 + MOST_REFUSED else f"sums {i}?" for i in range(40)))
    told = stopped(bench)
    assert told == (
        f"specreason: {MOST_REFUSED} questions in a row were refused, the last one (sums, {1 + MOST_REFUSED}) by model "
        f"big: {FULL}. Then the same command again"
    )
    kept, asked = bench.finished(), bench.requests()
    assert kept < 40 and stopped(bench) == told
    assert (bench.finished(), bench.requests()) == (kept, asked), "nothing is asked again"
    for path in bench.folder.glob("cells/*.jsonl"):
        path.unlink()
    assert stopped(bench, delay=0.003) == told


def test_each_answer_is_looked_at_once_for_refusals() -> None:
    """Else a job's work grows with the square of its questions."""
    looked: list[int] = []

    class Kept(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            looked.append(1)
            return super().get(key, default)

    asked = [Asked("sums", str(i), str(i), Prompt("?", ())) for i in range(300)]
    file = SimpleNamespace(traces=Kept())
    refusals = Refusals("specreason", cast(CellFile, file), asked)
    for question in asked:
        file.traces[question.key("batched")] = SimpleNamespace(refusal=None)
        refusals.check()
    assert len(looked) <= 2 * len(asked)


def test_one_answer_between_them_lets_a_job_go_on(bench: Bench) -> None:
    prompts = [f"sums {i}?" if i == MOST_REFUSED - 1 else f"late {i}?" for i in range(2 * MOST_REFUSED - 1)]
    bench.ask("sums", *prompts)
    traces = bench.run(job(["specreason"], alone=0), refused={"big": ["late"]})
    assert sum(trace.refusal is not None for trace in traces) == 2 * (MOST_REFUSED - 1)


def test_other_limits_are_another_cell(bench: Bench) -> None:
    """A question that was refused under the old ones is asked again: the digest of a cell covers the limits."""
    from factories import config

    from dreamr.planning.plan import Plan

    settings = config()
    wider = settings.model_copy(update={"context_tokens": 2048})
    group = Plan(settings).groups[0]
    assert Plan(settings).cell(group, "target_only").digest != Plan(wider).cell(group, "target_only").digest


def test_how_questions_fit_is_found_before_they_are_asked_and_kept(bench: Bench) -> None:
    traces = bench.run(job(["dreamr"], alone=1), refused={"big": ["3?"]})
    told = "big: 10 questions of up to 2000 tokens; with context_tokens 1024 2 will be refused, 0 where"
    assert told in bench.printed
    for trace in traces:
        found = {one.model: (one.tokens == 2000, one.fits) for one in trace.fits}
        assert found["small.balanced.big"] == (False, "yes")
        assert found["big"] == ((True, "no") if trace.question == "3" else (False, "yes"))
        assert (found["big"][1] == "no") == (trace.refusal is not None)


def test_a_method_with_a_larger_budget_needs_more_room(bench: Bench) -> None:
    asked = job(["specreason"], alone=0)
    asked["cells"]["longer"] = {"method": METHODS["specreason"] | {"budget": 5}, "digest": "cell-longer"}
    traces = bench.run(asked)
    assert {(trace.method, one.model, one.fits) for trace in traces for one in trace.fits} == {
        *(("specreason", model, "yes") for model in ("big", "small")),
        *(("longer", model, "perhaps") for model in ("big", "small")),
    }


class Measured:
    """Reads as many tokens as the question says."""

    async def prompt_tokens(self, prompt: Prompt) -> list[int]:
        if len(prompt.user) > 900:
            raise Refused("m", "too many images")
        return [0] * len(prompt.user)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(1, "yes"), (20, "yes"), (21, "perhaps"), (99, "perhaps"), (100, "no"), (500, "no"), (901, "no")],
)
def test_a_question_fits_with_its_longest_answer(tokens: int, expected: str) -> None:

    limits, one = Limits(step_tokens=10, answer_tokens=70), Asked("sums", "1", "1", Prompt("x" * tokens, ()))
    found = fit("m", asyncio.run(read_tokens(Measured(), one)), limits, 100)
    assert (found.tokens, found.fits) == (tokens if tokens <= 900 else None, expected)
    assert in_words("m", [found, found], 100).endswith(
        f"{2 * (expected == 'no')} will be refused, {2 * (expected == 'perhaps')} where their answer is long"
    )
