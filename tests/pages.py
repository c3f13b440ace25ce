"""Pages from invented scores: the chain of commands from scores to the page, for any configuration."""

import json
from contextlib import nullcontext
from html import escape
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from factories import (
    HOSTILE,
    asked,
    questions,
    says_right,
    scores,
    small,
    timed_traces,
    traces,
    under_load,
    verified_traces,
    with_arms,
    with_exchanged,
    with_interventions,
)
from PIL import Image

from dreamr.certificates import Certificate, Trial
from dreamr.cli.audit import write as write_audit
from dreamr.cli.plot import Sources
from dreamr.cli.plot import main as plot
from dreamr.cli.report import main as report
from dreamr.cli.summarise import main as summarise
from dreamr.cli.verify import Judged
from dreamr.cli.verify import write as write_verified
from dreamr.config import Config
from dreamr.data.contamination import Exposure, Overlap
from dreamr.data.plants import Plant
from dreamr.planning.jobs import SummariseJob, VerifyJob
from dreamr.planning.plan import Plan, as_json
from dreamr.records import write_rows
from dreamr.report.drawing import Chart
from dreamr.scores import Score
from dreamr.simulation import target_speculation
from dreamr.statistics.examples import AnswerKey
from dreamr.statistics.frame import score_frame, write_table
from dreamr.statistics.step_frame import answers, unread_steps, verified_steps, weighed
from dreamr.traces import Fit, Step

CURVES = ("reward", "outcome", "alignment", "length", "acceptance", "tokens")


def hostile() -> Config:
    """The micro scale with most of its studies, and a title that would break a careless page."""
    return with_exchanged(with_arms(with_interventions(small(f"Test {HOSTILE}"))))


def page(settings: Config, folder: Path, drawn: bool = True) -> Path:
    """Everything from invented scores to the page; returns the page.

    Drawing takes half of the time: without it, figures are made and stand in their places empty.
    """
    rows = [*scores(settings), *under_load(settings)]
    write_rows(folder / "scores.jsonl", [refused(rows[0]), *rows[1:]])
    write_rows(folder / "traces.jsonl", traces(settings))
    write_rows(folder / "timed.jsonl", timed_traces(settings, rows))
    _write_sources(folder, settings)
    _write_audit(folder / "audit", settings)
    if VerifyJob.of(settings).benchmarks:
        _write_verification(folder, settings)
    summarise(
        spec=as_json(SummariseJob.of(settings)),
        scores=(folder / "scores.jsonl",),
        traces=(folder / "timed.jsonl",),
        audit=folder / "audit",
        out=folder / "tables",
        certificates=certificates(folder / "calibration", settings),
    )
    write_table(computed_speculation(), folder / "tables" / "target_speculation.csv")
    with nullcontext() if drawn else patch("dreamr.cli.plot.svg", _empty):
        plot(**drawing(folder, settings), out=folder / "figures")
    return shown(settings, folder)


def certificates(folder: Path, settings: Config) -> tuple[Path, ...]:
    """Of each threshold that is calibrated: the first is .9, of the others none is certified."""
    folder.mkdir()
    tried = {0.995: True, 0.9: True, 0.5: False}
    for number, (calibrated, group) in enumerate(Plan(settings).calibrations.items()):
        alphas = [0.995] if number else list(tried)
        counts = {"problems": 200, "lost": 20, "won": 2, "loss": 0.09, "p": 0.04}
        made = Certificate(
            **calibrated._asdict(),
            draft=group.draft,
            replicate=settings.runs[group.run].replicate,
            **settings.methods[calibrated.method].guarantee.model_dump(),
            tested=tuple(Trial(alpha=alpha, certified=not number and tried[alpha], **counts) for alpha in alphas),
            alpha=None if number else 0.9,
            models={},
        )
        (folder / f"{number}.json").write_text(made.model_dump_json())
    return tuple(sorted(folder.iterdir()))


def _empty(chart: Chart, name: str) -> str:
    return f'<svg role="img" aria-labelledby="{name}-title"><title id="{name}-title">{escape(chart.alt)}</title></svg>'


def shown(settings: Config, folder: Path, kept: Path | None = None, name: str = "index.html") -> Path:
    """The page from the tables and figures that are in a folder, and where it is given one, of a kept run."""
    names = ("tables", "audit", "figures", "cells", "benchmarks", "logs")
    cards = [folder / "models" / name / "card.json" for made in Plan(settings).models.values() for name in made]
    report(
        spec=as_json(settings),
        cards=tuple(cards),
        traces=(folder / "traces.jsonl",),
        verification=_verification(folder),
        kept=kept,
        out=folder / name,
        **{name: folder / name for name in names},
    )
    return folder / name


def drawing(folder: Path, settings: Config) -> dict[str, Any]:
    """What the figures of a report's folder are drawn from, for cli.plot."""
    sources = Sources(
        tables=folder / "tables",
        trainings=tuple(folder / "models" / name / "training.csv" for name in Plan(settings).trainings),
        traces=(folder / "traces.jsonl",),
        verification=_verification(folder),
    )
    return {"spec": as_json(SummariseJob.of(settings)), "sources": sources}


def _verification(folder: Path) -> Path | None:
    return folder / "verification" if (folder / "verification").is_dir() else None


def refused(score: Score) -> Score:
    """The score of a question that an engine refused, with a hostile reason."""
    fits = (Fit(model=score.target, tokens=2000, fits="no"), Fit(model="small", tokens=None, fits="no"))
    told = {"refused_by": score.target, "refusal": f"too long {HOSTILE}", "fits": fits}
    return score.model_copy(update=told | {"correct": False, "unresolved": True, "parsed": None})


def computed_speculation() -> pd.DataFrame:
    """The table of the virtual clock, with invented speed-ups."""
    rng = np.random.default_rng(0)
    conditions = product(
        target_speculation.SETTINGS,
        target_speculation.ACCEPTANCE,
        (target_speculation.COST,),
        target_speculation.VERDICTS,
        target_speculation.CROWDING,
    )
    rows = [(*setting, *others, 1 + rng.random(), rng.random()) for setting, *others in conditions]
    names = ("target_speculation", "continues", "acceptance", "cost", "verdict", "crowding", "speedup", "lost")
    return pd.DataFrame(rows, columns=names)


# -- what other rules make


def _write_audit(folder: Path, settings: Config) -> None:
    """Two overlaps of the first benchmark: one by its image, which a training drew, one by the source column alone."""
    benchmark, name, cluster, _ = questions(settings, 20)[0]
    place = {"benchmark": benchmark, "question": name, "training_set": settings.sapo.training_sets[0]}
    here = place | {"training_question": "007"}
    evidence = {"image_bits": 3, "text_share": 0.25, "by_image": True, "by_text": False, "by_source": False}
    unseen = {"image_bits": None, "text_share": None, "by_image": False, "by_text": False, "by_source": True}
    overlaps = [
        Overlap(cluster=cluster, **here, **evidence),
        Overlap(cluster=cluster, **place | {"question": "q1", "training_question": ""}, **unseen),
    ]
    drawn = {(training.recipe, training.replicate) for training in Plan(settings).trainings.values()}
    exposures = [
        Exposure(recipe=recipe, replicate=replicate, cluster=cluster, **here) for recipe, replicate in sorted(drawn)
    ]
    write_audit(folder, overlaps, exposures, [Plant(kind="exact", **here)] if Plan(settings).planted else [])


def _write_verification(folder: Path, settings: Config) -> None:
    """As cli.verify does, by an oracle that reads the invented texts."""
    (folder / "verification").mkdir()
    (folder / "data" / "images").mkdir(parents=True)
    Image.new("RGB", (8, 8), "red").save(folder / "data" / "images" / "one.png")
    known, job = VerifyJob.of(settings).benchmarks, SummariseJob.of(settings)
    rows = [trace for trace in verified_traces(settings) if trace.benchmark in known]
    let_pass = {"steps": (*rows[0].steps, Step(text="wrong 3", writer="draft"))}
    rows = [trace.model_copy(update=let_pass if n % 9 == 0 else {}) for n, trace in enumerate(rows)]
    found = score_frame(scores(settings))
    kinds = (verified_steps, unread_steps)
    steps, unread = (weighed(judged(rows, asked(settings), says_right), found) for judged in kinds)
    graded = answers(rows, found, says_right)
    timed = [*traces(settings)]
    right = {AnswerKey.of(trace) for trace in timed if trace.method != job.reference}
    made = Judged(steps, unread, graded, rows, timed, right, (), asked(settings), folder / "data", job)
    write_verified(made, folder / "verification")


def _write_sources(folder: Path, settings: Config) -> None:
    """Model cards with a curve for each training, cell cards, and benchmark files; some of each from another run."""
    models = Plan(settings).models
    for name in (*models["sapo"], "another-run.balanced.q3vl-deep-awq"):
        (folder / "models" / name).mkdir(parents=True)
        curve = pd.DataFrame({"step": range(1, 9)})
        curve = curve.assign(**{column: curve.step * 0.1 for column in CURVES})
        curve.to_csv(folder / "models" / name / "training.csv", index=False)
        _write_card(folder / "models" / name, "sapo")
    for name in (*models["fetch"], *models["awq"]):
        (folder / "models" / name).mkdir(parents=True)
        (folder / "models" / name / "config.json").write_text('{"architectures": ["Qwen3VLForConditionalGeneration"]}')
        _write_card(folder / "models" / name, "zoo")
    (folder / "cells").mkdir()
    for digest, device in (("d" * 8, "test"), ("abandoned", "another")):
        card = {"machines": [{"device": device, "versions": {"vllm": "0.32.0"}}, {"device": "left", "versions": {}}]}
        (folder / "cells" / f"{digest}.card.json").write_text(json.dumps(card))
    _write_times(folder)


def _write_card(model: Path, maker: str) -> None:
    card = {"name": model.name, "maker": maker, "digest": HOSTILE, "versions": {}, "seconds": 12.5}
    (model / "card.json").write_text(json.dumps(card))


def _write_times(folder: Path) -> None:
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
