"""Commands set their own threads, whatever Snakemake exports for a rule."""

import os
from pathlib import Path

import pytest

from dreamr.cli import quantize, train_sapo
from dreamr.planning.plan import Plan, as_json
from dreamr.planning.reading import read
from dreamr.runtime.processes import ONE_THREAD

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("command", [quantize, train_sapo])
def test_work_begins_with_one_thread(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small sums agree by luck; so this asks for the threads, and other tests for the weights."""
    plan = Plan(read([ROOT / "config/config.yaml"]))
    spec = plan.quantize("q3vl-deep-awq") if command is quantize else plan.train(next(iter(plan.trainings)))
    seen: dict[str, str] = {}
    for name in ONE_THREAD:
        monkeypatch.setenv(name, "2")
    monkeypatch.setattr(command, "make", lambda *_: seen.update({name: os.environ[name] for name in ONE_THREAD}))
    monkeypatch.setattr(command, "model_digest", lambda folder: "digest")
    command.main(spec=as_json(spec), models=tmp_path, data=tmp_path, out=tmp_path / "out")
    assert seen == ONE_THREAD
