"""Fetching models: zoo checksums, hub errors that say what was needed, folders that are complete or not there."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamr.cli.fetch_model import main
from dreamr.errors import UserError
from dreamr.micro.zoo import write_manifest
from dreamr.models import cards
from dreamr.models.cards import model_digest
from dreamr.models.folders import model_folder, restore_if_built
from dreamr.provenance import file_digest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "zoo" / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    write_manifest(folder, {"steps": 1})
    return folder


def fetch(out: Path, model: dict[str, Any]) -> None:
    spec = {"name": "tiny", "model": model | {"engine": {"dtype": "float32"}}}
    main(spec=json.dumps(spec), out=out)


def test_a_zoo_model_is_copied_whole(source: Path, tmp_path: Path) -> None:
    fetch(tmp_path / "out", {"from": "zoo", "path": str(source)})
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == b"weights"
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert (card["name"], card["maker"], card["source"]) == ("tiny", "zoo", str(source))
    assert {"digest", "versions", "seconds"} <= card.keys()


def test_corrupt_weights_stop_the_job_and_leave_no_model(source: Path, tmp_path: Path) -> None:
    (source / "model.safetensors").write_bytes(b"weightz")
    with pytest.raises(SystemExit, match=r"model\.safetensors: sha256 is [0-9a-f]{64}, the manifest says"):
        fetch(tmp_path / "out", {"from": "zoo", "path": str(source)})
    assert not (tmp_path / "out").exists()


def test_a_hub_model_without_network_says_what_it_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SystemExit, match=r"some/model@abc123: neither in the hub's cache nor .* HF_HUB_OFFLINE"):
        fetch(tmp_path / "out", {"from": "hub", "id": "some/model", "revision": "abc123"})
    assert not (tmp_path / "out").exists()


def test_a_hub_model_comes_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    snapshot = tmp_path / "snapshots" / "abc123"
    (snapshot / "sub").mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "sub/more.json"):
        (snapshot / name).write_text(name)
    asked: dict[str, Any] = {}

    def snapshot_download(repo: str, **settings: Any) -> str:
        asked.update(settings, repo=repo)
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    fetch(tmp_path / "out", {"from": "hub", "id": "some/model", "revision": "abc123"})
    assert asked["repo"] == "some/model" and asked["revision"] == "abc123"
    assert "*.safetensors" in asked["allow_patterns"] and "*.py" not in asked["allow_patterns"]
    assert json.loads((tmp_path / "out" / "card.json").read_text())["source"] == "some/model@abc123"
    assert (tmp_path / "out" / "sub" / "more.json").read_text() == "sub/more.json"


def test_a_made_model_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="'from: awq' is made, not fetched; allowed: zoo, hub"):
        fetch(tmp_path / "out", {"from": "awq", "base": "tiny"})


def test_a_broken_spec_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="model"):
        main(spec='{"name": "tiny", "modle": {}}', out=tmp_path / "out")


def test_a_model_that_failed_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    def make(text: str, fails: bool = False) -> None:
        with model_folder(tmp_path / "m", "m", "zoo") as (folder, _):
            (folder / "model.safetensors").write_text(text)
            assert not fails

    make("old")
    with pytest.raises(AssertionError):
        make("half", fails=True)
    assert (tmp_path / "m" / "model.safetensors").read_text() == "old"
    make("new")
    assert (tmp_path / "m" / "model.safetensors").read_text() == "new"


def whole(out: Path, made_by: str = "spec") -> Path:
    """A finished model folder."""
    with model_folder(out, "m", "sapo", made_by) as (folder, _):
        (folder / "model.safetensors").write_text("weights")
        (folder / "training.csv").write_text("step\n")
    return out


def test_what_snakemake_deletes_of_a_whole_model_is_brought_back(tmp_path: Path) -> None:
    """Before it runs a job again, Snakemake removes its outputs; a training of days must not begin anew for that."""
    out = whole(tmp_path / "m")
    card = (out / "card.json").read_bytes()
    for name in ("card.json", "training.csv"):
        (out / name).unlink()
    assert not restore_if_built(out, "another spec") and not (out / "card.json").exists()
    assert restore_if_built(out, "spec")
    assert (out / "card.json").read_bytes() == card and (out / "training.csv").read_text() == "step\n"
    assert not restore_if_built(tmp_path / "nothing", "spec")


def test_a_damaged_model_is_not_brought_back(tmp_path: Path) -> None:
    out = whole(tmp_path / "m")
    (out / "model.safetensors").write_text("weig")
    with pytest.raises(UserError, match=r"model m: model.safetensors has 4 bytes, its card.json says 7\. .* remove"):
        restore_if_built(out, "spec")


def test_weights_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, read = whole(tmp_path / "m"), []
    digest = json.loads((out / "card.json").read_text())["digest"]
    monkeypatch.setattr(cards, "file_digest", lambda path: read.append(path) or file_digest(path))
    assert model_digest(out) == digest and not read
    os.utime(out / "model.safetensors")  # as after copying the folder
    assert model_digest(out) == digest and read == [out / "model.safetensors"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda out: (out / "model.safetensors").write_text("Weights"), "sha256 of model.safetensors is"),
        (lambda out: (out / "model.safetensors").rename(out / "other.safetensors"), "its files are other.safetensors"),
    ],
)
def test_a_model_that_is_not_what_its_card_says_is_named(tmp_path: Path, change: Callable, told: str) -> None:
    out = whole(tmp_path / "m")
    change(out)
    with pytest.raises(UserError, match=f"model m: {told}"):
        model_digest(out)
