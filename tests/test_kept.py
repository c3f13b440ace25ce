"""Which kept answers a plan takes up, told before anything runs."""

import json
from pathlib import Path

import pytest
from test_plan import MAIN, merged

from dreamr.answering.cells import CellFile
from dreamr.cli.plan import kept
from dreamr.planning.kept import Kept, kept_answers
from dreamr.planning.plan import Plan


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
