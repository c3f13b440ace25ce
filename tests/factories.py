"""Invented scores and traces for tests of tables, figures and the page. Seeded; nothing here was measured."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml

from dreamr.config import NO_DRAFT, PLAIN, Config, Guarantee, LoadBlocks, Method, Run
from dreamr.planning.jobs import SummariseJob
from dreamr.planning.reading import load, read
from dreamr.records import IMAGE_MARK, Question
from dreamr.scores import Score
from dreamr.statistics.frame import score_frame
from dreamr.statistics.step_frame import Judgement, verified_steps, weighed
from dreamr.traces import Load, Span, Step, Trace

ROOT = Path(__file__).parents[1]
LOOP_SPEED = {
    "target_only": 1.0,
    "spec_decoding": 1.1,
    "draft_model": 1.2,
    "specreason": 1.2,
    "lookahead": 1.5,
    "cascade": 0.95,
    "fpsr": 1.9,
}
HOSTILE = '<script>alert("x")</script></pre>'
VERSIONS = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")


def config() -> Config:
    """The micro configuration."""
    return load(yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")))


def small(title: str = "Test") -> Config:
    """The micro configuration with four pairs and quick intervals."""
    settings = config()
    main = settings.runs["main"].model_copy(update={"drafts": ("q3vl-2l", "r4b-2l")})
    statistics = settings.statistics.model_copy(update={"resamples": 100})
    verdicts = {
        f"oracle_{accepted}{rejected}": Method(
            loop="specreason", verifier="oracle", false_accept=accepted, false_reject=rejected
        )
        for accepted, rejected in product((0, 1), repeat=2)
    }
    pair = {"targets": main.targets[:1], "drafts": main.drafts[:1]}
    runs = {
        "dose": Run(**pair, methods=(*verdicts,), suites=("untimed",)),
        "load": Run(**pair, methods=("dreamr_ns", "dreamr"), suites=("load",)),
    }
    loaded = settings.suites["all"].model_copy(update={"alone": 0, "load": LoadBlocks(sizes=(1, 4, 16), blocks=8)})
    return settings.model_copy(
        update={
            "title": title,
            "statistics": statistics,
            "methods": {**settings.methods, **verdicts},
            "runs": {**settings.runs, "main": main, **runs},
            "suites": {**settings.suites, "load": loaded, "untimed": loaded.model_copy(update={"load": None})},
        }
    )


def with_interventions(settings: Config) -> Config:
    """The same with interventions on one pair."""
    base, run = settings.methods["dreamr"], settings.runs["ablation"]
    doubled = {"target_only_double": Method(loop="target_only", budget=2)}
    changed = {
        "dreamr_double": base.model_copy(update={"budget": 2}),
        "dreamr_target_answers": base.model_copy(update={"answers": "target"}),
    }
    runs = {
        "doubled": settings.runs["baseline"].model_copy(update={"targets": run.targets, "methods": tuple(doubled)}),
        "changed": run.model_copy(update={"methods": tuple(changed)}),
    }
    methods = {**settings.methods, **doubled, **changed}
    return settings.model_copy(update={"methods": methods, "runs": {**settings.runs, **runs}})


LARGER = ("depth.yaml", "ablations.yaml")


def with_arms(settings: Config) -> Config:
    """The same with a window, and what larger configurations ask of one pair.

    Of depth.yaml what the target does ahead of a verdict, and two threads; of ablations.yaml dice, units and a cascade.
    """
    deep, other = (read([ROOT / "config" / name for name in ("config.yaml", of)]) for of in LARGER)
    arms = {name: deep.runs[name].methods for name in ("arms", "two_threads")}
    arms |= {"per_verdict": other.runs["per_verdict"].methods, "cascade": ("cascade",)}
    arms |= {"acceptances": ("dice_sequential", "dice_lookahead", "dice_parallel")}
    found = {**other.runs, **deep.runs}
    runs = {
        name: found[name].model_copy(update={"suites": ("all",), "methods": methods}) for name, methods in arms.items()
    }
    known = {**other.methods, **deep.methods}
    methods = {name: known[name] for run in runs.values() for name in run.methods}
    methods["window_2"] = deep.methods["dreamr"].model_copy(update={"window": 2})
    runs["window"] = runs["arms"].model_copy(update={"methods": ("window_2",)})
    methods, runs = {**settings.methods, **methods}, {**settings.runs, **runs}
    return settings.model_copy(update={"methods": methods, "runs": runs})


def with_exchanged(settings: Config) -> Config:
    """The same, and each SAPO draft before the other target too, as in ablations.yaml."""
    main, (one, other) = settings.runs["main"], settings.runs["main"].targets
    change = {"methods": ("dreamr_exchanged",), "suites": ("untimed",)}
    runs = {
        f"exchanged_{number}": main.model_copy(update={**change, "targets": (judge,), "trained_with": trained})
        for number, (judge, trained) in enumerate(((one, other), (other, one)))
    }
    methods = {**settings.methods, "dreamr_exchanged": settings.methods["dreamr"]}
    return settings.model_copy(update={"methods": methods, "runs": {**settings.runs, **runs}})


def calibrated(job: SummariseJob, method: str) -> SummariseJob:
    """The same, where the threshold of a method is a guarantee."""
    promised = Guarantee(risk=0.03, confidence=0.95, problems=100)
    methods = {**job.methods, method: job.methods[method].model_copy(update={"alpha": promised})}
    return job.model_copy(update={"methods": methods})


class Cell(NamedTuple):
    """What is scored together."""

    target: str
    draft: str
    method: str
    replicate: int


def cells(settings: Config) -> dict[Cell, bool]:
    """Every cell that is answered many at once, and whether some of its questions are timed as well."""
    found: dict[Cell, bool] = {}
    for run in settings.runs.values():
        suites = [suite for suite in map(settings.suites.__getitem__, run.suites) if not suite.load]
        for target, draft, method in product(run.targets, run.drafts, run.methods) if suites else ():
            cell = Cell(target, draft, method, run.replicate if settings.methods[method].draft != PLAIN else 0)
            found[cell] = found.get(cell, False) or any(suite.alone for suite in suites)
    return found


def questions(settings: Config, size: int) -> list[tuple[str, str, str, str]]:
    """Benchmark, id, cluster and version of `size` questions per benchmark (a multiple of 20)."""
    rows = []
    for benchmark in settings.asked:
        data = settings.benchmarks[benchmark]
        once = all(part.versions == "one" for part in settings.asked_slices if part.benchmark == benchmark)
        for i in range(size):
            group, version = f"q{i}", ""
            if data.adapter == "mathverse":
                group, version = f"p{i if once else i // 5}", VERSIONS[i % 5]
            elif data.adapter == "mmbench":
                group, version = f"b{i if once else i // 4}", str(i % 4)
            rows.append((benchmark, f"q{i}", group, version))
    return rows


def scores(settings: Config, size: int = 20, alone: int = 6, seed: int = 0, device: str = "test") -> list[Score]:
    """Scores of every cell: `size` questions per benchmark batched, the first `alone` of them timed as well."""
    rng = np.random.default_rng(seed)
    asked = questions(settings, size)
    hardness = {question: rng.random() for question in asked}
    rows = []
    for cell, timed in cells(settings).items():
        for question in asked:
            score = _score(settings, rng, cell, question, hardness[question], device)
            rows.append(score)
            if timed and int(question[1][1:]) < alone:
                rows.append(_timed(settings, rng, score))
    return rows


def _score(
    settings: Config,
    rng: np.random.Generator,
    cell: Cell,
    question: tuple[str, str, str, str],
    hard: float,
    device: str,
) -> Score:
    draft, spec = cell.draft, settings.methods[cell.method]
    verified = int(rng.integers(3, 9)) if spec.verifier else 0
    accepted = int(rng.binomial(verified, 0.55 if spec.draft == PLAIN else 0.75))
    correct = bool(hard + rng.normal(0, 0.15) < (0.5 if spec.loop == "draft_only" else 0.85))
    tokens = int(rng.integers(40, 80)) - 10 * (spec.draft != PLAIN)
    benchmark, name, cluster, version = question
    return Score(
        question=name, benchmark=benchmark, **cell._asdict(), mode="batched",
        cluster=cluster, version=version, category="", origin="", parsed="A" if correct else None, correct=correct,
        unresolved=not correct and hard > 0.95, truncated=hard > 0.98, same_text=None,
        drafted=verified + int(rng.integers(0, 3)) if verified else 0, verified=verified, accepted=accepted,
        tokens=tokens, tokens_by_target=tokens - accepted,
        draft_tokens=0 if draft == NO_DRAFT else tokens, target_tokens=tokens, seconds=2.0,
        baseline_seconds=None, draft_busy=0.0 if draft == NO_DRAFT else 0.2, target_busy=0.5, device=device,
        answer_writer="draft" if rng.random() < 0.6 and accepted else "target",
        steps=verified or 6, own_tokens=tokens * (verified - accepted) // verified if verified else tokens,
        later_drafts=verified or 6, later_drafts_seconds=0.01 * tokens, later_owns=verified - accepted or 5,
        later_owns_seconds=0.05 * tokens, later_verdicts=verified, later_verdicts_seconds=0.02 * verified,
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
            "background": 0.01,
        }
    )


def under_load(settings: Config) -> list[Score]:
    """Of each run under load four questions in each block at each size; faster than the target up to about 4."""
    rng, rows, benchmark = np.random.default_rng(0), [], settings.asked[-1]
    runs = [(run, settings.suites[name].load) for run in settings.runs.values() for name in run.suites]
    for run, blocks in ((run, blocks) for run, blocks in runs if blocks):
        for *place, block, at_once in product(run.targets, run.drafts, run.methods, range(blocks.blocks), blocks.sizes):
            gain = 2.0 / at_once**0.5 * float(rng.lognormal(0, 0.1))
            told = Load(at_once=at_once, block=block, questions=4, seconds=4 / gain, baseline_seconds=4.0)
            for number in range(4):
                question = (benchmark, f"q{4 * block + number}", f"q{number}", "")
                score = _score(settings, rng, Cell(*place, run.replicate), question, 0.5, "test")
                timed = {"mode": "load", "load": told, "seconds": 1 / gain, "baseline_seconds": 1.0}
                timed["background"] = 0.02
                rows.append(score.model_copy(update=timed))
    return rows


def traces(settings: Config) -> list[Trace]:
    """One question answered alone by each method of the first pair, with a markup-laden text."""
    pairs = SummariseJob.of(settings).pairs[:1]
    shown = {*pairs, *((target, NO_DRAFT) for target, _ in pairs)}
    ran = [cell for cell, timed in cells(settings).items() if timed and not cell.replicate and _told(settings, cell)]
    return [_trace(*cell[:3]).model_copy(update={"benchmark": settings.asked[0]}) for cell in ran if cell[:2] in shown]


def timed_traces(settings: Config, timed: Sequence[Score]) -> Iterator[Trace]:
    """A trace of each timed answer of the main and the sequential methods: that of `traces`, as fast as scored."""
    for score in timed:
        cell = Cell(score.target, score.draft, score.method, score.replicate)
        known = _told(settings, cell) or settings.methods[cell.method].declared.sequential
        if score.mode == "alone" and not score.replicate and known:
            trace = _trace(score.target, score.draft, score.method)
            pace = score.seconds / (trace.seconds + 0.01)
            spans = [
                span.model_copy(update={"start": span.start * pace, "end": span.end * pace}) for span in trace.spans
            ]
            told = {"benchmark": score.benchmark, "question": score.question, "seconds": score.seconds}
            yield trace.model_copy(update=told | {"spans": tuple(spans)})


def _told(settings: Config, cell: Cell) -> bool:
    """Whether a cell is one of the main methods, whose requests the invented spans can be."""
    return cell.method in settings.display.main and settings.methods[cell.method].loop != "spec_decoding"


def _trace(target: str, draft: str, method: str) -> Trace:
    spans = [
        Span(engine="draft", kind="draft", step=0, start=0.0, end=0.1, tokens=5),
        Span(engine="target", kind="verify", step=0, start=0.1, end=0.15),
        Span(engine="target", kind="target", step=0, start=0.1, end=0.18, cancelled=method != "lookahead", tokens=3),
        Span(engine="draft", kind="draft", step=1, start=0.15, end=0.2, tokens=5),
        Span(engine="target", kind="verify", step=1, start=0.2, end=0.25),
        Span(engine="target", kind="target", step=1, start=0.25, end=0.5, tokens=8),
    ]
    steps = (
        Step(text="Red is 3. <script>alert(1)</script>", writer="draft", verdict=0.9, accepted=True, tokens=5),
        Step(text="So 4.\nAnswer: A", writer="target", verdict=0.2, accepted=False, rejected="So 5. </div>", tokens=8),
    )
    return Trace(
        question="q0", benchmark="mathverse", target=target, draft=draft, method=method, mode="alone", digest="d" * 8,
        text="\n\n".join(step.text for step in steps), steps=steps, finish="answer", drafted=2, verified=2, accepted=1,
        tokens=13, tokens_by_target=12,
        draft_tokens=10, target_tokens=11, seconds=0.5, baseline_seconds=0.9, spans=tuple(spans), device="test",
    )  # fmt: skip


def asked(settings: Config) -> dict[tuple[str, str], Question]:
    """A question with one image for every trace of `verified_traces`."""
    content = {"prompt": f"{IMAGE_MARK} Which? {HOSTILE}", "images": ("images/one.png",), "gold": ("4",)}
    return {
        (benchmark, name): Question(id=name, dataset=benchmark, cluster=cluster, version=version, **content)
        for benchmark, name, cluster, version in questions(settings, 20)
    }


def verified_traces(settings: Config, seed: int = 0) -> list[Trace]:
    """Batched traces of verifying methods on every main pair, and of the step oracle's: three verified steps each.

    Right ones say "right".
    """
    rng = np.random.default_rng(seed)
    rows, pairs = [], SummariseJob.of(settings).pairs
    ran = [cell for cell in cells(settings) if cell[:2] in pairs and not cell.replicate]
    verifying = [cell[:3] for cell in ran if cell.method in ("specreason", "dreamr")]
    verifying += [cell[:3] for cell in ran if settings.methods[cell.method].verifier == "oracle"]
    verifying += [cell[:3] for cell in ran if cell.method in ("dreamr_ns", "dreamr_exchanged")]
    for target, draft, method in verifying:
        for benchmark, name in asked(settings):
            steps = tuple(_verified_step(rng, settings.methods[method].verifier == "score") for _ in range(3))
            rows.append(
                _trace(target, draft, method).model_copy(
                    update={"mode": "batched", "benchmark": benchmark, "question": name, "steps": steps}
                )
            )
    return rows


def _verified_step(rng: np.random.Generator, score: bool) -> Step:
    right = bool(rng.random() < 0.6)
    rho = float(rng.beta(4, 2) if right else rng.beta(2, 4))
    text, accepted = f"{'right' if right else 'wrong'} {rng.integers(1000)} {HOSTILE}", rho > 0.5
    verdict, expected = (float(round(rho * 9)), rho * 9) if score else (rho, None)
    if accepted:
        return Step(text=text, writer="draft", verdict=verdict, expected=expected, accepted=True)
    own = f"own, {'right' if rng.random() < 0.8 else 'wrong'}"
    return Step(text=own, writer="target", verdict=verdict, expected=expected, accepted=False, rejected=text)


def says_right(benchmark: str, question: str, step: str, before: Sequence[str]) -> Judgement:
    """The oracle of `verified_traces`; a step claims what its number's last digit says."""
    last = re.match(r"\w+ \d*(\d)", step)
    kinds = ("read", "sum", "filler")
    return Judgement(step.startswith(("right", "own, right")), kinds[int(last[1]) % 3] if last else "unreadable")


@cache
def judged_steps() -> pd.DataFrame:
    """The verified steps of `verified_traces`, judged by their texts."""
    return weighed(verified_steps(verified_traces(small()), asked(small()), says_right), score_frame(scores(small())))
