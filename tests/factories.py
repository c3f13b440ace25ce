"""Invented scores and traces for tests of tables, figures and the page. Seeded; nothing here was measured."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from dreamr.cli.audit import write as write_audit
from dreamr.cli.plot import main as plot
from dreamr.cli.report import main as report
from dreamr.cli.summarise import main as summarise
from dreamr.cli.verify import tables as step_tables
from dreamr.config import NO_DRAFT, PLAIN, Config, Crowds, Method, Run
from dreamr.data.contamination import Exposure, Overlap
from dreamr.data.plants import Plant
from dreamr.planning.jobs import SummariseJob
from dreamr.planning.reading import load, read
from dreamr.records import IMAGE_MARK, Fit, Load, Question, Score, Span, Step, Trace, write_rows
from dreamr.simulation import rivals
from dreamr.statistics.frame import score_frame, write_table
from dreamr.statistics.gallery import examples, worst
from dreamr.statistics.predicted import compared, projected
from dreamr.statistics.step_frame import Judgement, answers, verified_steps

ROOT = Path(__file__).parents[1]
LOOP_SPEED = {"target_only": 1.0, "spec_decoding": 1.1, "specreason": 1.2, "lookahead": 1.5, "fpsr": 1.9}
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
    dosed = Run(targets=main.targets[:1], drafts=main.drafts[:1], methods=(*verdicts,), suites=("untimed",))
    loaded = settings.suites["all"].model_copy(update={"alone": 0, "crowds": Crowds(sizes=(1, 4, 16), blocks=8)})
    return settings.model_copy(
        update={
            "title": title,
            "statistics": statistics,
            "methods": {**settings.methods, **verdicts},
            "runs": {**settings.runs, "main": main, "dose": dosed},
            "suites": {**settings.suites, "load": loaded, "untimed": loaded.model_copy(update={"crowds": None})},
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


def with_arms(settings: Config) -> Config:
    """The same with arms of depth.yaml: what the target does ahead of a verdict, and the target on two threads."""
    deep = read([ROOT / "config" / name for name in ("config.yaml", "depth.yaml")])
    runs = {name: deep.runs[name].model_copy(update={"suites": ("all",)}) for name in ("arms", "two_threads")}
    methods = {name: deep.methods[name] for run in runs.values() for name in run.methods}
    methods, runs = {**settings.methods, **methods}, {**settings.runs, **runs}
    return settings.model_copy(update={"methods": methods, "runs": runs})


def computed_rivals() -> pd.DataFrame:
    """The table of the virtual clock, with invented speed-ups."""
    rng = np.random.default_rng(0)
    conditions = product(rivals.SETTINGS, rivals.ACCEPTANCE, (rivals.COST,), rivals.VERDICTS, rivals.CROWDING)
    rows = [(*setting, *others, 1 + rng.random(), rng.random()) for setting, *others in conditions]
    names = ("rivals", "continues", "acceptance", "cost", "verdict", "crowding", "speedup", "lost")
    return pd.DataFrame(rows, columns=names)


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
        }
    )


def crowds(settings: Config) -> list[Score]:
    """Four questions in each of eight blocks under three loads, by two methods of one pair; faster up to about 4."""
    rng, rows = np.random.default_rng(0), []
    for method, block, at_once in product(("dreamr_ns", "dreamr"), range(8), (1, 4, 16)):
        gain = 2.0 / at_once**0.5 * float(rng.lognormal(0, 0.1))
        told = Load(at_once=at_once, block=block, questions=4, seconds=4 / gain, baseline_seconds=4.0)
        for number in range(4):
            cell, question = ("q3vl-deep-awq", "q3vl-2l", method), ("mmmu", f"q{4 * block + number}", f"q{number}", "")
            score = _score(settings, rng, cell, question, 0.5, "test")
            timed = {"mode": "crowd", "load": told, "seconds": 1 / gain, "baseline_seconds": 1.0}
            rows.append(score.model_copy(update=timed))
    return rows


def traces(settings: Config) -> list[Trace]:
    """One question answered alone by each method of the first main pair, with a markup-laden text."""
    run = settings.runs["main"]
    rows = []
    for method in ("target_only", *run.methods):
        draft = NO_DRAFT if method == "target_only" else run.drafts[0]
        rows.append(_trace(run.targets[0], draft, method))
    return rows


def timed_traces(settings: Config, timed: Sequence[Score]) -> Iterator[Trace]:
    """A trace of each timed answer of the main experiment: that of `traces`, as fast as it was scored."""
    run = settings.runs["main"]
    for score in timed:
        if score.mode == "alone" and score.method in ("target_only", *run.methods) and score.target in run.targets:
            trace = _trace(score.target, score.draft, score.method)
            pace = score.seconds / (trace.seconds + 0.01)
            spans = [
                span.model_copy(update={"start": span.start * pace, "end": span.end * pace}) for span in trace.spans
            ]
            told = {"benchmark": score.benchmark, "question": score.question, "seconds": score.seconds}
            yield trace.model_copy(update=told | {"spans": tuple(spans)})


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
    """Batched traces of two verifying methods on every main pair, and of the step oracle's: three verified steps each.

    Right ones say "right".
    """
    rng = np.random.default_rng(seed)
    run = settings.runs["main"]
    rows = []
    verifying = [(t, d, m) for t in run.targets for d in run.drafts for m in ("specreason", "dreamr")]
    verifying += [cell for cell in cells(settings) if settings.methods[cell[2]].verifier == "oracle"]
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


HOSTILE = '<script>alert("x")</script></pre>'
ZOO = ("q3vl-deep", "q3vl-moe", "q3vl-deep-awq", "q3vl-moe-awq", "q3vl-2l", "q3vl-3l", "r4b-2l", "mimo-3l")
TRAINED = ("q3vl-2l.balanced.q3vl-deep-awq", "r4b-2l.balanced.q3vl-deep-awq")


OVERLAP = Overlap(
    benchmark="mathverse",
    question="q0",
    cluster="p0",
    training_set="geometry3k",
    training_question="007",
    image_bits=3,
    text_share=0.25,
    by_image=True,
    by_text=False,
    by_source=False,
)


BY_SOURCE = OVERLAP.model_copy(
    update={"question": "q1", "training_question": "", "image_bits": None, "text_share": None, "by_image": False}
    | {"by_source": True}
)


PLACE = {"benchmark": "mathverse", "question": "q0", "training_set": "geometry3k", "training_question": "007"}
EXPOSURE = Exposure(recipe="balanced", seed=0, cluster="p0", **PLACE)
PLANT = Plant(kind="exact", **PLACE)


def whole_report(folder: Path) -> Path:
    """Everything from invented scores to the page, with a hostile title and a hostile card; returns the page."""
    settings = with_arms(with_interventions(small(f"Test {HOSTILE}")))
    job = SummariseJob.of(settings).model_dump_json()
    rows = [*scores(settings), *crowds(settings)]
    write_rows(folder / "scores.jsonl", [refused(rows[0]), *rows[1:]])
    write_rows(folder / "traces.jsonl", traces(settings))
    write_rows(folder / "timed.jsonl", timed_traces(settings, rows))
    _write_sources(folder)
    write_audit(folder / "audit", [OVERLAP, BY_SOURCE], [EXPOSURE], [PLANT])
    _write_verification(folder, settings)
    inputs = {"scores": "scores.jsonl", "traces": "timed.jsonl", "audit": "audit", "out": "tables"}
    summarise(["--spec", job, *(part for name, path in inputs.items() for part in (f"--{name}", str(folder / path)))])
    _write_replay(folder / "replay", settings)
    write_table(computed_rivals(), folder / "tables" / "rivals.csv")
    plot(["--out", str(folder / "figures"), *drawing(folder, job)])
    names = ("tables", "audit", "replay", "figures", "cells", "benchmarks", "logs", "verification")
    sources = [part for name in names for part in (f"--{name}", str(folder / name))]
    cards = [str(folder / "models" / name / "card.json") for name in (*TRAINED, *ZOO)]
    sources += ["--cards", *cards, "--traces", str(folder / "traces.jsonl")]
    spec = settings.model_dump_json(by_alias=True)
    report(["--spec", spec, *sources, "--out", str(folder / "index.html")])
    return folder / "index.html"


def refused(score: Score) -> Score:
    """The score of a question that an engine refused, with a hostile reason."""
    fits = (Fit(model=score.target, tokens=2000, fits="no"), Fit(model="small", tokens=None, fits="no"))
    told = {"refused_by": score.target, "refusal": f"too long {HOSTILE}", "fits": fits}
    return score.model_copy(update=told | {"correct": False, "unresolved": True, "parsed": None})


def drawing(folder: Path, job: str) -> list[str]:
    """Arguments of cli.plot for a report's folder."""
    curves = sorted(str(path) for path in folder.glob("models/*/training.csv"))
    inputs = [
        "--tables",
        str(folder / "tables"),
        "--replay",
        str(folder / "replay"),
        "--traces",
        str(folder / "traces.jsonl"),
    ]
    return ["--spec", job, *inputs, "--verification", str(folder / "verification"), "--trainings", *curves]


def replayed(settings: Config, seed: int = 0) -> pd.DataFrame:
    """Predictions of twelve answers a pair and method that are right but for chance."""
    rng = np.random.default_rng(seed)
    rows = []
    for target, draft in SummariseJob.of(settings).pairs:
        for method in ("specreason", "lookahead", "dreamr_ns", "dreamr"):
            speed = LOOP_SPEED[settings.methods[method].loop]
            for place in range(12):
                cell = {"target": target, "draft": draft, "method": method, "benchmark": "mmmu", "question": str(place)}
                times = {"baseline_seconds": 1.0, "seconds": float(rng.lognormal(0, 0.1)) / speed}
                foretold = {"predicted_baseline_seconds": 1.0, "predicted_seconds": 1 / speed}
                steps = {"verified": 5.0, "accepted": 4.0, "draft_step": 0.1, "target_step": 1.0}
                rows.append(cell | {"cluster": f"mmmu/{place}", "n": 1.0} | times | foretold | steps)
    return pd.DataFrame(rows)


def _write_replay(folder: Path, settings: Config) -> None:
    answers = replayed(settings)
    costs = [
        {"target": target, "draft": draft, "fold": 0, "engine": engine}
        | dict.fromkeys(("decode", "prefill", "request", "opening", "verdict", "crowding", "sharing"), 0.01)
        for target, draft in SummariseJob.of(settings).pairs
        for engine in ("target", "draft")
    ]
    write_table(compared(answers, SummariseJob.of(settings)), folder / "replay.csv")
    write_table(answers, folder / "replay_questions.csv")
    write_table(pd.DataFrame(costs), folder / "replay_costs.csv")
    machines = [(0.05, ""), (0.2, ""), (0.1, "a machine")]
    settings_of = [
        {"c": c, "machine": machine, "v": v, "overhead": r} for c, machine in machines for v in (1, 2) for r in (0, 1)
    ]
    elsewhere = pd.concat([answers[answers.method == "dreamr"].assign(**setting) for setting in settings_of])
    write_table(projected(elsewhere, SummariseJob.of(settings)), folder / "projection.csv")


def _write_verification(folder: Path, settings: Config) -> None:
    (folder / "verification").mkdir()
    (folder / "data" / "images").mkdir(parents=True)
    Image.new("RGB", (8, 8), "red").save(folder / "data" / "images" / "one.png")
    rows, job = verified_traces(settings), SummariseJob.of(settings)
    steps = verified_steps(rows, asked(settings), says_right)
    graded = answers(rows, score_frame(scores(settings)), says_right)
    for name, table in step_tables(steps, graded, job):
        write_table(table, folder / "verification" / f"{name}.csv")
    shown = examples(worst(steps, job.reference), rows, asked(settings), folder / "data")
    write_rows(folder / "verification" / "gallery.jsonl", shown)


def _write_sources(folder: Path) -> None:
    """Model cards with a curve each, cell cards, and benchmark files; some of each from another run."""
    for name in (*TRAINED, "another-run.balanced.q3vl-deep-awq"):
        (folder / "models" / name).mkdir(parents=True)
        curve = pd.DataFrame({"step": range(1, 9)})
        for column in ("reward", "outcome", "alignment", "length", "acceptance", "tokens"):
            curve[column] = curve.step * 0.1
        curve.to_csv(folder / "models" / name / "training.csv", index=False)
        card = {"name": name, "maker": "sapo", "digest": HOSTILE, "versions": {}, "seconds": 12.5}
        (folder / "models" / name / "card.json").write_text(json.dumps(card))
    for name in ZOO:
        (folder / "models" / name).mkdir()
        (folder / "models" / name / "config.json").write_text('{"architectures": ["Qwen3VLForConditionalGeneration"]}')
        (folder / "models" / name / "card.json").write_text(json.dumps(card | {"name": name, "maker": "zoo"}))
    (folder / "cells").mkdir()
    for digest, device in (("d" * 8, "test"), ("abandoned", "another")):
        card = {"machines": [{"device": device, "versions": {"vllm": "0.32.0"}}, {"device": "left", "versions": {}}]}
        (folder / "cells" / f"{digest}.card.json").write_text(json.dumps(card))
    jobs = {"summarise.tsv": "1.0\t0:00:01\t50.0\t0.5", "grade/t/d/one.tsv": "2.5\t0:00:02\t101.5\t2.0"}
    jobs |= {"grade/t/d/two.tsv": "4.0\t0:00:04\t-\t-", "smoke/grade/t/d/one.tsv": "9.0\t0:00:09\t999.0\t8.0"}
    jobs |= {f"generate/t/d/main/{name}.tsv": "12.5\t0:00:12\t-\t-" for name in ("told", "cut", "gone")}
    for name, numbers in jobs.items():
        path = folder / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\tcpu_time\n{numbers}\n")
    logs = folder / "logs/generate/t/d/main"
    logs.mkdir(parents=True)
    bar = "dreamr, batched:  50%|#####     | 1/2 [00:01<00:01, 1.0question/s]\r"
    (logs / "told.log").write_text(
        f"engines started: 4.0 s\nquestions measured: 0.5 s\n{bar}   batched: 2.0 s\ntimed: 3.0 s\n"
    )
    (logs / "cut.log").write_text("engines started: 4.0 s\n")
