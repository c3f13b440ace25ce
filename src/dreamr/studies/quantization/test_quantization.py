"""Quantized targets beside their bases, and the claim about them."""

import pandas as pd
import pytest
from factories import config, scores

from dreamr.planning.jobs import SummariseJob
from dreamr.scores import Score
from dreamr.statistics.claims import judged, load_claims
from dreamr.statistics.frame import ALL, score_frame
from dreamr.studies.catalogue import FOLDER
from dreamr.studies.quantization.tables import quantization

JOB = SummariseJob.of(config())
BASE = "q3vl-deep"
PLACE = {"draft": "q3vl-2l", "method": "dreamr"}


@pytest.fixture(scope="module")
def rows() -> list[Score]:
    return [row for row in scores(config()) if row.method in ("target_only", "dreamr")]


@pytest.fixture(scope="module")
def table(rows: list[Score]) -> pd.DataFrame:
    return quantization(score_frame(rows), JOB).set_index(["target", "draft", "method", "benchmark"])


def test_a_quantized_target_stands_beside_its_base(table: pd.DataFrame, rows: list[Score]) -> None:
    found = table.loc[(f"{BASE}-awq", *PLACE.values(), ALL)]
    base = [row for row in rows if row.target == BASE and row.mode == "batched" and row.method == "dreamr"]
    assert found.accuracy_unquantized == pytest.approx(sum(row.correct for row in base) / 80)
    assert found.accuracy_change == pytest.approx(found.accuracy - found.accuracy_unquantized)
    assert table.loc[(ALL, ALL, "target_only", ALL)].n == 160


def test_the_claim_is_judged_by_the_table(table: pd.DataFrame) -> None:
    (claim,) = load_claims(FOLDER / "quantization" / "claims.yaml")
    paper = JOB.model_copy(update={"scale": "paper", "taught": False})
    (line,) = judged([claim], {"quantization": table.reset_index()}, paper).to_dict("records")
    assert line["verdict"] in ("consistent", "inconsistent", "inconclusive")
    assert "quantizing the target" in line["evidence"].lower()
