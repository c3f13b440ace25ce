"""Models of folders on this machine: sizes that are read from them, shards, and what is said of wrong folders."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from test_config import tree

from dreamr.cli.fetch_model import main as fetch
from dreamr.config import Config
from dreamr.errors import UserError
from dreamr.models.cards import model_digest
from dreamr.planning.costs import size
from dreamr.planning.plan import Plan, as_json
from dreamr.planning.reading import load
from dreamr.planning.sizes import folder_size
from dreamr.provenance import SOURCES

ZOO = SOURCES.parent / "workflow/resources/zoo"
RUN = {"targets": ["q3vl-deep-awq"], "drafts": ["mine"], "methods": ["dreamr_ns"], "suites": ["all"]}


def tensors(file: Path, **shapes: list[int]) -> None:
    """A safetensors file of 16-bit zeros."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * shape[0] * shape[1]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model in two shards, by a configuration that leaves out what may be left out."""
    made = tmp_path / "mine"
    made.mkdir()
    text = {"num_hidden_layers": 3, "hidden_size": 64, "num_attention_heads": 4}
    (made / "config.json").write_text(json.dumps({"text_config": text}))
    tensors(made / "model-00001-of-00002.safetensors", a=[10, 20], b=[3, 4])
    tensors(made / "model-00002-of-00002.safetensors", c=[5, 6])
    (made / "model.safetensors.index.json").write_text("{}")
    (made / "card.json").write_text("of another run")
    return made


def config(path: Path | str, **model: Any) -> Config:
    mine = {"from": "local", "path": str(path), "engine": {"dtype": "float32"}, **model}
    return load(tree({"models": {"mine": mine}, "runs": {"more": RUN}}))


@pytest.mark.parametrize("name", ["q3vl-2l", "q3vl-deep", "r4b-2l"])
def test_a_folder_says_what_the_configuration_says_of_it(name: str) -> None:
    said = load(tree()).estimates.models[name]
    found = folder_size(ZOO / name)
    assert found.model_dump(exclude={"bits"}) == said.model_dump(exclude={"bits"})
    assert found.bits == 16, "of the files; micro models are served in 32"


def test_a_size_counts_all_shards_and_need_not_be_named(folder: Path) -> None:
    found = size(Plan(config(folder)), "mine")
    assert (found.parameters, found.bits) == (10 * 20 + 3 * 4 + 5 * 6, 16)
    assert (found.layers, found.hidden, found.kv_heads, found.head_dim) == (3, 64, 4, 16)


def test_a_quantized_one_has_the_size_of_its_base(folder: Path) -> None:
    small = {"mine-awq": {"from": "awq", "base": "mine", "engine": {"dtype": "float32"}}}
    mine = {"mine": {"from": "local", "path": str(folder), "engine": {"dtype": "float32"}}}
    settings = load(
        tree({"models": mine | small, "runs": {"more": RUN | {"targets": ["mine-awq"], "drafts": ["q3vl-2l"]}}})
    )
    assert size(Plan(settings), "mine-awq").parameters == 242


def test_its_files_are_linked_and_a_card_in_it_is_not_its(folder: Path, tmp_path: Path) -> None:
    plan = Plan(config(folder))
    fetch(spec=as_json(plan.fetch("mine")), out=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("*.safetensors")} == {
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }
    card = json.loads((tmp_path / "out/card.json").read_text())
    assert (card["maker"], card["source"], card["digest"]) == ("local", str(folder), model_digest(tmp_path / "out"))
    assert {Path(name).name for name in plan.weights("mine")} >= {"config.json", "model-00002-of-00002.safetensors"}


def test_other_weights_in_the_same_folder_are_another_model(folder: Path) -> None:
    before = Plan(config(folder)).ref("mine").digest
    assert Plan(config(folder)).ref("mine").digest == before
    tensors(folder / "model-00002-of-00002.safetensors", c=[5, 7])
    assert Plan(config(folder)).ref("mine").digest != before


def test_what_is_no_model_is_told_while_planning(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"models\.mine\.path: expected a folder with config\.json and \*\.safetensors, f"
    ):
        config(tmp_path / "none")
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"found card\.json, model-00001-of-00002\.safetensors, .* in '.*mine'"):
        config(folder)


def test_a_folder_that_is_named_as_a_model_of_the_hub_is_told(folder: Path) -> None:
    with pytest.raises(
        UserError, match=r"models\.mine\.hub\.id: '.*mine' is a model in a folder here: write from: local"
    ):
        load(
            tree(
                {
                    "models": {
                        "mine": {"from": "hub", "id": str(folder), "revision": None, "engine": {"dtype": "float32"}}
                    }
                }
            )
        )


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("config.json", '{"num_hidden_layers": 3, "num_attention_heads": 2}', r"config\.json: hidden_size is None"),
        ("model-00001-of-00002.safetensors", "none", r"00001-of-00002\.safetensors: no safetensors file"),
    ],
)
def test_a_folder_that_does_not_say_its_size_is_told(folder: Path, name: str, text: str, words: str) -> None:
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    (copy / name).write_text(text)
    with pytest.raises(UserError, match=words):
        size(Plan(config(copy)), "mine")
