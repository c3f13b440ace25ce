"""Invented scores and traces for tests of tables, figures and the page. Seeded; nothing here was measured."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

from dreamr.config import NO_DRAFT, PLAIN, Config, load
from dreamr.records import Score, Span, Step, Trace

ROOT = Path(__file__).parents[1]
LOOP_SPEED = {"target_only": 1.0, "spec_decoding": 1.1, "specreason": 1.2, "lookahead": 1.5, "fpsr": 1.9}
VERSIONS = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")


def config() -> Config:
    """The micro configuration."""
    return load(yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")))


def cells(settings: Config) -> Iterator[tuple[str, str, str]]:
    """Target, draft and method of every cell of the experiment."""
    for run in settings.runs.values():
        for target in run.targets:
            for draft in run.drafts:
                for method in run.methods:
                    yield target, draft, method


def questions(settings: Config, size: int) -> list[tuple[str, str, str, str]]:
    """Benchmark, id, cluster and version of `size` questions per benchmark (a multiple of 20)."""
    rows = []
    for benchmark, data in settings.benchmarks.items():
        for i in range(size):
            group, version = f"q{i}", ""
            if data.adapter == "mathverse":
                group, version = f"p{i // 5}", VERSIONS[i % 5]
            elif data.adapter == "mmbench":
                group, version = f"b{i // 4}", str(i % 4)
            rows.append((benchmark, f"q{i}", group, version))
    return rows


def scores(settings: Config, size: int = 20, alone: int = 6, seed: int = 0, device: str = "test") -> list[Score]:
    """Scores of every cell: `size` questions per benchmark batched, the first `alone` of them timed as well."""
    rng = np.random.default_rng(seed)
    asked = questions(settings, size)
    hardness = {question: rng.random() for question in asked}
    rows = []
    for target, draft, method in cells(settings):
        for question in asked:
            score = _score(settings, rng, (target, draft, method), question, hardness[question], device)
            rows.append(score)
            if int(question[1][1:]) < alone:
                rows.append(_timed(settings, rng, score))
    return rows


def _score(
    settings: Config,
    rng: np.random.Generator,
    cell: tuple[str, str, str],
    question: tuple[str, str, str, str],
    hard: float,
    device: str,
) -> Score:
    target, draft, method = cell
    spec = settings.methods[method]
    verified = int(rng.integers(3, 9)) if spec.verifier else 0
    accepted = int(rng.binomial(verified, 0.55 if spec.draft == PLAIN else 0.75))
    correct = bool(hard + rng.normal(0, 0.15) < (0.5 if spec.loop == "draft_only" else 0.85))
    tokens = int(rng.integers(40, 80)) - 10 * (spec.draft != PLAIN)
    benchmark, name, cluster, version = question
    return Score(
        question=name, benchmark=benchmark, target=target, draft=draft, method=method, mode="batched",
        cluster=cluster, version=version, category="", origin="", parsed="A" if correct else None, correct=correct,
        unresolved=not correct and hard > 0.95, truncated=hard > 0.98, same_text=None,
        drafted=verified + int(rng.integers(0, 3)) if verified else 0, verified=verified, accepted=accepted,
        tokens=tokens, draft_tokens=0 if draft == NO_DRAFT else tokens, target_tokens=tokens, seconds=2.0,
        baseline_seconds=None, draft_busy=0.0 if draft == NO_DRAFT else 0.2, target_busy=0.5, device=device,
    )  # fmt: skip


def _timed(settings: Config, rng: np.random.Generator, score: Score) -> Score:
    baseline = float(rng.lognormal(0, 0.3))
    speed = LOOP_SPEED.get(settings.methods[score.method].loop, 4.0)
    return score.model_copy(
        update={
            "mode": "alone",
            "baseline_seconds": baseline,
            "seconds": baseline / speed * float(rng.lognormal(0, 0.15)),
            "same_text": bool(rng.random() < 0.98),
        }
    )


def traces(settings: Config) -> list[Trace]:
    """One question answered alone by each method of the first main pair, with a markup-laden text."""
    run = settings.runs["main"]
    rows = []
    for method in ("target_only", *run.methods):
        draft = NO_DRAFT if method == "target_only" else run.drafts[0]
        rows.append(_trace(run.targets[0], draft, method))
    return rows


def _trace(target: str, draft: str, method: str) -> Trace:
    spans = [
        Span(engine="draft", kind="draft", step=0, start=0.0, end=0.1, tokens=5),
        Span(engine="target", kind="verify", step=0, start=0.1, end=0.15),
        Span(engine="target", kind="target", step=0, start=0.1, end=0.18, cancelled=True, tokens=3),
        Span(engine="draft", kind="draft", step=1, start=0.1, end=0.2, tokens=5),
        Span(engine="target", kind="verify", step=1, start=0.2, end=0.25),
        Span(engine="target", kind="target", step=1, start=0.2, end=0.5, tokens=8),
    ]
    steps = (
        Step(text="Red is 3. <script>alert(1)</script>", writer="draft", verdict=0.9, accepted=True, tokens=5),
        Step(text="So 4.\nAnswer: A", writer="target", verdict=0.2, accepted=False, rejected="So 5. </div>", tokens=8),
    )
    return Trace(
        question="q0", benchmark="mathverse", target=target, draft=draft, method=method, mode="alone", digest="d" * 8,
        text="\n\n".join(step.text for step in steps), steps=steps, finish="answer", drafted=2, verified=2, accepted=1,
        tokens=13, draft_tokens=10, target_tokens=11, seconds=0.5, baseline_seconds=0.9, spans=tuple(spans),
        device="test",
    )  # fmt: skip
