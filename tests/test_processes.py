"""Commands set their own threads and GPUs, whatever Snakemake exports for a rule."""

import os
from pathlib import Path

import pytest

from dreamr.cli import quantize, train_sapo
from dreamr.planning.plan import Plan, as_json
from dreamr.planning.reading import read
from dreamr.runtime.processes import ONE_THREAD, see_at_most

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


@pytest.mark.parametrize(
    ("named", "gpus", "seen"),
    [(None, 2, "0,1"), (None, 0, None), ("4,5,6", 2, "4,5"), ("GPU-a", 2, "GPU-a"), ("3", 0, "3")],
)
def test_a_job_sees_the_gpus_that_the_plan_counted(
    monkeypatch: pytest.MonkeyPatch, named: str | None, gpus: int, seen: str | None
) -> None:
    """Ranks count what is in sight: on a machine with eight they would leave the engines' own."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    see_at_most(gpus)
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == seen


@pytest.mark.parametrize("command", [quantize, train_sapo])
def test_work_on_gpus_begins_with_those_of_its_job(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(read([ROOT / "config/config.yaml", ROOT / "config/gpu.yaml"]))
    spec = plan.quantize("qwen3-vl-8b-awq") if command is quantize else plan.train(next(iter(plan.trainings)))
    seen: list[str] = []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(command, "make", lambda *_: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]))
    monkeypatch.setattr(command, "model_digest", lambda folder: "digest")
    command.main(spec=as_json(spec), models=tmp_path, data=tmp_path, out=tmp_path / "out", gpus=1)
    assert seen == ["0"]
