"""Which kept answers a plan takes up, told before anything runs."""

import json
from pathlib import Path

import pytest
from test_plan import CERTIFIED, MAIN, PAIR, merged

from dreamr.answering.cells import CellFile
from dreamr.cli.plan import kept
from dreamr.planning.kept import Kept, kept_answers
from dreamr.planning.plan import Group, Plan


def card(folder: Path, name: str, method: str, plan: Plan) -> None:
    """As a job writes it."""
    job = plan.generate(MAIN).model_dump(mode="json")
    CellFile(folder / "results/cells" / f"{name}.jsonl", "cpu").write_card({"method": method, "job": job}, "cpu")


def test_answers_of_these_settings_and_of_others_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, before = Plan(merged()), Plan(merged({"methods": {"dreamr": {"alpha": 0.6}}, "sapo": {"alpha": 0.6}}))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/cells").mkdir(parents=True)
    assert not list(kept(now))
    card(tmp_path, "a", "dreamr", now)
    card(tmp_path, "b", "dreamr", before)
    (tmp_path / "results/cells/c.card.json").write_text(json.dumps({"digest": "c", "spec": {}}))
    wanted = sum(len(now.methods(group)) for group in now.groups)
    assert kept_answers(now) == Kept(wanted, present=1, others=2)
    first, second = kept(now)
    assert f"1 of {wanted} methods' files" in first and second.startswith("2 files in results/cells")


@pytest.mark.parametrize("alpha", [0.9, None])
def test_answers_at_a_threshold_that_a_calibration_may_find_are_taken_up(
    alpha: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what calibrations have answered is of these settings too."""
    plan, cells = Plan(merged(CERTIFIED)), tmp_path / "results/cells"
    monkeypatch.chdir(tmp_path)
    cells.mkdir(parents=True)
    job = plan.generate(Group("certified", *PAIR, "all"))
    cell = job.cells["certified"]
    found = cell.run_as(cell.method.model_copy(update={"alpha": alpha}))
    unknown = cell.run_as(cell.method.model_copy(update={"alpha": 0.123}))
    calibrated = plan.calibrate(plan.calibrated(Group("certified", *PAIR, "all"))[0]).answers
    jobs = {
        "a": ("certified", job.model_copy(update={"cells": {"certified": found}})),
        "b": ("certified", job.model_copy(update={"cells": {"certified": unknown}})),
        "c": ("certified_0.9", calibrated),
        "d": ("target_only", plan.ask_target(PAIR[0])),
    }
    for name, (method, told) in jobs.items():
        content = {"method": method, "job": told.model_dump(mode="json")}
        CellFile(cells / f"{name}.jsonl", "cpu").write_card(content, "cpu")
    wanted = sum(len(plan.methods(group)) for group in plan.groups)
    assert kept_answers(plan) == Kept(wanted, present=1, others=1)
