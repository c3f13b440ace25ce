"""What other tools read of exported results is what the results say."""

import re
from pathlib import Path

import pandas as pd
import pytest
from datasets import load_dataset
from inspect_ai.log import read_eval_log

from dreamr import exports
from dreamr.notebook import Results
from dreamr.statistics.frame import ALL

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(smoke: Path) -> Results:
    return Results("config/smoke.yaml", smoke.parent / "here.yaml", project=ROOT)


def test_the_hubs_library_reads_every_part(results: Results, tmp_path: Path) -> None:
    exports.hf(results, tmp_path / "hf")
    for name in exports.PARTS:
        rows = load_dataset(str(tmp_path / "hf"), name, split="train", cache_dir=str(tmp_path / "cache"))
        frame = getattr(results, name)()
        assert rows.column_names == [*frame] and rows.num_rows == len(frame) > 0
    texts = load_dataset(str(tmp_path / "hf"), "traces", split="train", cache_dir=str(tmp_path / "cache"))["text"]
    assert list(texts) == list(results.traces().text)


def test_the_card_explains_every_column(results: Results, tmp_path: Path) -> None:
    exports.hf(results, tmp_path)
    card = (tmp_path / "README.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| \S+ \| (.*) \|$", card, re.M)
    assert [name for name, words in told if not words] == []
    assert len(told) == sum(len(getattr(results, name)().columns) for name in exports.PARTS)


def test_inspect_reads_its_logs_and_finds_our_accuracy(results: Results, tmp_path: Path) -> None:
    exports.inspect_logs(results, tmp_path)
    scores = results.scores()
    untimed = scores[scores["mode"] == "batched"]
    logs = {path.stem: read_eval_log(path) for path in tmp_path.glob("*.json")}
    assert len(logs) == untimed.groupby(["target", "draft", "method", "benchmark"]).ngroups
    for log in logs.values():
        _, method, target, draft = log.eval.model.split("/")
        cell = (untimed.method == method) & (untimed.target == target) & (untimed.draft == draft)
        rows = untimed[cell & (untimed.benchmark == log.eval.task)]
        right = {sample.id: sample.scores["dreamr"].value == "C" for sample in log.samples}
        assert right == dict(zip(rows.question, rows.correct, strict=True))
        assert all(sample.output.completion for sample in log.samples)
        assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(rows.correct.mean())


def test_a_table_for_latex_holds_the_pools_with_their_intervals(results: Results, tmp_path: Path) -> None:
    exports.latex(results, tmp_path)
    table = results.table("speed")
    pooled = table[(table.target == ALL) & (table.draft == ALL)]
    lines = re.findall(r"^(.*) \\\\$", (tmp_path / "speed.tex").read_text(), re.M)
    head, *rows = [line.split(" & ") for line in lines]
    assert len(rows) == len(pooled)
    values = [float(row[head.index("speedup")].split(" ")[0]) for row in rows]
    assert values == pytest.approx(list(pooled.speedup), rel=5e-3)
    assert all(row[0].replace("\\_", "_") == name for row, name in zip(rows, pooled.method, strict=True))


def test_what_is_not_there_has_no_cell() -> None:
    row = pd.Series({"speedup": float("nan"), "speedup_low": float("nan"), "speedup_high": float("nan"), "p": 0.5})
    assert exports._cell(row, "speedup") == ""
