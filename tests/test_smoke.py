"""The smoke run: every rule for real, from the generated data to the page. Takes minutes."""

import gzip
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from factories import config
from PIL import Image
from projects import MADE, ROOT, answers, copied, run_smoke, with_environments

from dreamr.cli import keep_run
from dreamr.errors import UserError
from dreamr.planning.jobs import SummariseJob
from dreamr.records import read_rows
from dreamr.traces import Trace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(Path.exists, MADE)), reason="needs: snakemake --cores all environments"),
]
METHODS = {"target_only", "draft_only", "ngram", "specreason", "lookahead", "dreamr_ns", "dreamr"}


def test_a_second_run_does_nothing(smoke: Path) -> None:
    assert "Nothing to be done" in run_smoke(smoke.parent).stderr


def test_logs_are_lines(smoke: Path) -> None:
    """With each bar's last line, and few before it."""
    logs = {path: path.read_bytes() for path in (smoke.parent / "logs").rglob("*.log")}
    assert len(logs) > 20 and not [path for path, log in logs.items() if b"\r" in log]
    (training,) = (log for path, log in logs.items() if path.parent.name == "train_sapo")
    last = re.search(rb"100%.* (\d+)/(\d+) \[", training)
    assert last and last[1] == last[2] and training.count(b"%|") <= int(last[2]) + 20


def test_the_tables_hold_every_method_and_their_intervals_hold_the_estimates(smoke: Path) -> None:
    tables = {path.stem: pd.read_csv(path) for path in (smoke / "tables").glob("*.csv")}
    assert {"accuracy", "speed", "acceptance", "sapo", "quantization", "ablation"} <= set(tables)
    for name in ("accuracy", "speed"):
        assert set(tables[name].method) >= METHODS
        assert {"target", "draft", "method", "benchmark", "n", "clusters"} <= set(tables[name].columns)
    for table in tables.values():
        for low in (column for column in table.columns if column.endswith("_low")):
            quantity = low.removesuffix("_low")
            known = table.dropna(subset=[quantity, low])
            assert (known[low] <= known[quantity] + 1e-9).all()
            assert (known[quantity] <= known[f"{quantity}_high"] + 1e-9).all()


def test_an_answer_is_the_same_text_alone_and_in_a_batch(smoke: Path) -> None:
    traces = [row for path in (smoke / "traces").rglob("*.jsonl") for row in read_rows(path, Trace)]
    texts = {(r.mode, r.target, r.draft, r.method, r.benchmark, r.question): r.text for r in traces}
    alone = [key for key in texts if key[0] == "alone"]
    assert len(alone) >= 40
    same = [texts[key] == texts["batched", *key[1:]] for key in alone]
    assert sum(same) >= 0.98 * len(same)


def test_times_are_ratios_to_the_target_beside(smoke: Path) -> None:
    """Coarse on purpose: a few questions on whatever machine this is."""
    speed = pd.read_csv(smoke / "tables" / "speed.csv").query("benchmark == 'all'").set_index(["target", "method"])
    assert speed.speedup["q3vl-deep-awq", "target_only"].max() == pytest.approx(1, abs=0.25)  # timed twice: a control
    assert speed.speedup["q3vl-deep-awq", "draft_only"].max() > 1.5
    assert speed.speedup["q3vl-deep-awq", "dreamr"].max() > 1


def test_training_was_recorded_and_changed_the_draft(smoke: Path) -> None:
    folder = smoke / "models" / "q3vl-2l.balanced.q3vl-deep-awq"
    curve = pd.read_csv(folder / "training.csv")
    assert len(curve) > 1 and curve.acceptance.between(0, 1).all() and (curve.tokens > 0).all()
    weights = [path / "model.safetensors" for path in (folder, smoke / "models" / "q3vl-2l")]
    assert weights[0].read_bytes() != weights[1].read_bytes()
    assert json.loads((folder / "card.json").read_text())["maker"] == "sapo"


def test_the_page_shows_what_was_computed(smoke: Path) -> None:
    page = (smoke / "report" / "index.html").read_text(encoding="utf-8")
    accuracy = pd.read_csv(smoke / "tables" / "accuracy.csv")
    assert "DREAM-R, smoke run" in page and len(re.findall(r"<section", page)) == 8
    assert all(method in page for method in accuracy.method.unique())
    assert "over questions of one training" in page and "one training says nothing of the next" in page


@pytest.mark.browser
@pytest.mark.skipif(keep_run.browser() is None, reason="no chromium on the path")
def test_a_run_is_kept_as_readme_shows_it(
    smoke: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    keep_run.main(configfile=(Path("config/smoke.yaml"), smoke.parent / "here.yaml"), out=tmp_path)
    told = capsys.readouterr().out.splitlines()
    assert told == list(keep_run.readme_lines(tmp_path, SummariseJob.of(config())))
    assert any(line.startswith("| DREAM-R |") for line in told)
    assert Image.open(tmp_path / "page.png").size == keep_run.SCREEN
    assert gzip.decompress((tmp_path / "page.html.gz").read_bytes()) == keep_run.page(smoke).read_bytes()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"page\.png: takes a browser, and none of chromium, .* is on the path"):
        keep_run.take_picture(keep_run.page(smoke), tmp_path / "page.png")


def test_in_two_jobs_as_on_gpus_the_answers_are_those_of_one(tmp_path: Path) -> None:
    """The real engines, on a target alone; which scales have two jobs is the plan's choice, here changed."""
    project = with_environments(copied(tmp_path / "copy", weights=True))
    group = "q3vl-deep/none/baseline/all"
    for name in ("one", "two"):
        folders = {"results": name, "logs": f"{name}/logs", "benchmarks": f"{name}/benchmarks"}
        overlay = project.overlay({"pathvars": folders})[1]
        project.succeed(f"{name}/traces/{group}.jsonl", "--configfile", "config/smoke.yaml", overlay)
        if name == "one":
            project.edit(
                "src/dreamr/planning/plan.py", lambda text: text.replace('self.config.device == "cuda" and ', "")
            )
    one, two = tmp_path / "copy/one", tmp_path / "copy/two"
    jobs = {path: [found.relative_to(path).parts[1] for found in path.rglob("baseline/all.tsv")] for path in (one, two)}
    assert sorted(jobs[one]) == ["generate"] and sorted(jobs[two]) == ["answer", "generate"]
    assert answers(one) == answers(two)
    for path in two.glob("cells/*.jsonl"):
        rows = [(row.mode, row.benchmark, row.question) for row in read_rows(path, Trace)]
        assert len(rows) == len(set(rows)), path
    assert "timed: 0.0 s" in (two / "logs/answer" / f"{group}.log").read_text()
    mark = json.loads((two / "answered" / f"{group}.json").read_text())
    assert mark["answers"] == sum(mode == "batched" for mode, *_ in answers(two))
