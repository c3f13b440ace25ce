"""The short form of tests/torture.py: a training and its answers, killed a few times in every way."""

import random
from pathlib import Path

import pytest
from projects import MADE, copied, with_environments
from torture import Torture, differences

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(Path.exists, MADE)), reason="needs: snakemake --cores all environments"),
]
KILLS = 3
FEW = {"runs": {"baseline": None, "main": {"methods": ["draft_only_sapo", "dreamr"]}}}
TRACES = "results/smoke/traces/q3vl-deep-awq/q3vl-2l/main/all.jsonl"


def test_a_run_that_is_killed_ends_as_one_that_is_not(tmp_path: Path, smoke: Path) -> None:
    project = with_environments(copied(tmp_path, weights=True))
    _, overlay = project.overlay(FEW)
    arguments = (TRACES, "--configfile", "config/smoke.yaml", overlay)
    torture = Torture(project, "any", random.Random(7), KILLS, arguments, longest=15)
    torture.until_done()
    assert torture.left == 0, torture.told
    assert differences(tmp_path / "results/smoke", smoke) == []
