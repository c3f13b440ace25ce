"""Benchmarks of one's own without code: JSONL, CSV and parquet by columns that the configuration names."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from PIL import Image
from projects import copied
from test_config import tree

from dreamr.config import Config, DataSpec
from dreamr.data.loading import prepare_questions
from dreamr.errors import UserError
from dreamr.planning.doubts import doubts
from dreamr.planning.plan import Plan
from dreamr.planning.questions import known
from dreamr.planning.reading import load
from dreamr.records import IMAGE_MARK, Question

COLUMNS = {"question": "prompt", "image": "picture", "answer": "gold", "options": "choices"}
ROW: dict[str, Any] = {"prompt": "How many?", "picture": "cats.png", "gold": "B", "choices": ["1", "2"]}
Write = Callable[[Path, list[dict[str, Any]]], Path]


def png(colour: str) -> bytes:
    held = BytesIO()
    Image.new("RGB", (30, 20), colour).save(held, "png")
    return held.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/cats.png").write_bytes(png("red"))
    return tmp_path / "mine"


def jsonl(folder: Path, rows: list[dict[str, Any]]) -> Path:
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "questions.jsonl"


def commas(folder: Path, rows: list[dict[str, Any]]) -> Path:
    pd.DataFrame(rows).to_csv(folder / "questions.csv", index=False)
    return folder / "questions.csv"


def parquet(folder: Path, rows: list[dict[str, Any]]) -> Path:
    pd.DataFrame(rows).to_parquet(folder / "questions.parquet")
    return folder / "questions.parquet"


def prepared(path: Path, **columns: Any) -> list[Question]:
    data = DataSpec(adapter="table", path=str(path), columns=COLUMNS | columns)
    return prepare_questions("mine", data, path.parent / "made")


@pytest.mark.parametrize("write", [jsonl, commas, parquet])
def test_the_same_rows_are_the_same_questions_from_every_kind_of_file(folder: Path, write: Write) -> None:
    rows = [ROW | {"n": "one", "topic": "pets"}, ROW | {"gold": "2", "prompt": "And 007?", "n": "two", "topic": ""}]
    first, second = prepared(write(folder, rows), id="n", category="topic")
    assert (first.id, first.dataset, first.options, first.gold) == ("one", "mine", ("1", "2"), ("B",))
    assert first.prompt == f"{IMAGE_MARK}How many?\nA. 1\nB. 2" and first.category == "pets"
    assert (second.gold, second.cluster, second.category) == (("B",), "two", "")
    assert first.images == second.images and (folder / "made" / first.images[0]).is_file()


def test_columns_of_usual_names_need_not_be_named_and_a_free_answer_may_be_several(folder: Path) -> None:
    rows = [{"question": "How many?", "image": "cats.png", "answer": answer} for answer in (2, "two", ["2", "two"])]
    data = DataSpec(adapter="table", path=str(jsonl(folder, rows)))
    questions = prepare_questions("mine", data, folder)
    assert [one.gold for one in questions] == [("2",), ("two",), ("2", "two")]
    assert [one.id for one in questions] == ["0", "1", "2"]


def test_images_are_paths_bytes_structs_or_lists_and_stand_where_the_question_says(folder: Path) -> None:
    cells = [png("blue"), {"bytes": png("blue"), "path": None}]
    one, other = (prepared(parquet(folder, [ROW | {"picture": cell}]))[0] for cell in cells)
    assert one.images == other.images
    two = ROW | {"picture": ["cats.png", "cats.png"], "prompt": f"Is {IMAGE_MARK} as {IMAGE_MARK}?"}
    (question,) = prepared(jsonl(folder, [two]))
    assert len(question.images) == 2 and question.prompt.startswith(f"Is {IMAGE_MARK} as {IMAGE_MARK}?")


def test_options_may_have_a_column_each(folder: Path) -> None:
    row = {"prompt": "Which?", "picture": "cats.png", "gold": "C", "A": "x", "B": "y", "C": "z", "D": ""}
    (question,) = prepared(commas(folder, [row]), options=["A", "B", "C", "D"])
    assert (question.options, question.gold) == (("x", "y", "z"), ("C",))


def test_all_files_of_a_folder_or_those_of_a_split(folder: Path) -> None:
    jsonl(folder, [ROW]).rename(folder / "test-1.jsonl")
    jsonl(folder, [ROW, ROW]).rename(folder / "train-1.jsonl")
    assert len(prepared(folder)) == 3
    data = DataSpec(adapter="table", path=str(folder), split="test", columns=COLUMNS)
    assert len(prepare_questions("mine", data, folder)) == 1


WRONG = {
    "no image told": ({"picture": None}, "row 2, column picture: found None, expected an image"),
    "no image": ({"picture": "dogs.png"}, "row 2, column picture: found 'dogs.png', expected an image: its path"),
    "no picture": ({"picture": 7}, "row 2, column picture: found 7, expected an image"),
    "no answer": ({"gold": None}, "row 2, column gold: found None, expected an answer"),
    "no option": ({"gold": "C"}, "row 2, column gold: found 'C', expected a letter, A to B, or one of 1, 2"),
    "no options": ({"choices": "many"}, "row 2, column choices: found 'many', expected a list of 2 to 26 options"),
    "no question": ({"prompt": ""}, "row 2, column prompt: found '', expected a text"),
    "marks": ({"prompt": "<image> and <image>"}, "expected <image> once for each of 1 images, or nowhere"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_cell_is_told_with_benchmark_file_row_and_column(folder: Path, case: str) -> None:
    change, words = WRONG[case]
    with pytest.raises(UserError) as stop:
        prepared(jsonl(folder, [ROW, ROW | change]))
    assert str(stop.value).startswith(f"mine, {folder}/questions.jsonl") and words in str(stop.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("{}\n{'a': 1}\n", "line 2: no JSON: "), ("[1]\n", r"line 1: found \[1\], expected an object")],
)
def test_a_broken_line_is_told(folder: Path, text: str, words: str) -> None:
    (folder / "questions.jsonl").write_text(text)
    with pytest.raises(UserError, match=words):
        prepared(folder / "questions.jsonl")


def test_a_column_that_is_nowhere_is_told_and_one_that_a_line_leaves_out_is_empty(folder: Path) -> None:
    free = {name: value for name, value in ROW.items() if name != "choices"}
    assert [one.options for one in prepared(jsonl(folder, [ROW, free]))] == [("1", "2"), ()]
    with pytest.raises(UserError, match=r"questions.jsonl: no column choices \(options\); there are: prompt, "):
        prepared(jsonl(folder, [free]))
    with pytest.raises(UserError, match=r"no column answer or gold or label; .* Name the right one: columns: {a"):
        row = {"question": "x", "image": "cats.png", "right": "2"}
        prepare_questions("mine", DataSpec(adapter="table", path=str(jsonl(folder, [row]))), folder)


def config(path: Path | str, overlay: dict[str, Any] = {}, **data: Any) -> Config:  # noqa: B006
    slices = [{"benchmark": "mathverse"}, {"benchmark": "mine"}]
    mine = {"adapter": "table", "path": str(path), **data}
    return load(tree({"benchmarks": {"mine": mine}, "suites": {"all": {"slices": slices}}}, overlay))


@pytest.mark.parametrize("write", [jsonl, commas, parquet])
def test_questions_of_a_local_file_are_counted(folder: Path, write: Write) -> None:
    path = write(folder, [ROW, ROW, ROW])
    assert known(config(path), "mine") == 3
    assert known(config(path, limit=2), "mine") == 2


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        (
            "my/none.jsonl",
            {},
            ["benchmarks.mine.path: 'my/none.jsonl': no such file or folder in /", ".parquet, .jsonl, .csv"],
        ),
        ("../here", {"split": "test"}, ["'../here': no such file or folder in /", "whose name begins with test"]),
        ("my/a/folder", {"adapter": "realworldqa", "split": "test"}, ["'my/a/folder': no such file or folder"]),
        (__file__, {}, ["test_table.py': nothing in it fits; wanted: .parquet, .jsonl, .csv"]),
        ("my/folder", {"adapter": "realworldqa"}, ["split", "one of the hub needs a split"]),
        ("x/y", {"adapter": "mmmu", "split": "a", "columns": {"id": "n"}}, ["adapter 'mmmu' has columns of its own"]),
        ("my/none.csv", {"columns": {"text": "n"}}, ["benchmarks.mine.columns.text", "'question'"]),
    ],
)
def test_what_is_missing_is_told_while_planning(path: str, data: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as stop:
        config(path, **data)
    assert not [word for word in words if word not in str(stop.value)], stop.value


def test_a_folder_that_may_have_been_meant_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my").mkdir()
    data = {"adapter": "realworldqa", "split": "test"}
    counted = {"estimates": {"questions": {"mine": 3}}}
    (line,) = doubts(config("my/folder", **data, overlay=counted))
    assert line.startswith("benchmarks.mine.path: 'my/folder' is no file or folder here, so it is taken for a data set")
    assert doubts(config("owner/folder", **data, overlay=counted)) == []


def test_another_column_prepares_one_data_set_anew(folder: Path) -> None:
    path = jsonl(folder, [ROW | {"n": "x"}])
    plans = [Plan(config(path, columns=COLUMNS | {"id": name})) for name in ("n", "gold")]
    assert plans[0].data_digest("mine") != plans[1].data_digest("mine")
    assert plans[0].data_digest("mathverse") == plans[1].data_digest("mathverse")


@pytest.mark.slow
def test_the_workflow_prepares_it_by_an_adapter_beside_the_configuration_too(tmp_path: Path) -> None:
    """What a job is given to find modules of one's own, by the real command and environment."""
    project, lab = copied(tmp_path / "copy"), tmp_path / "lab"
    (lab / "mylab").mkdir(parents=True)
    (lab / "cats.png").write_bytes(png("red"))
    questions = jsonl(lab, [ROW, ROW | {"gold": "1"}])
    (lab / "mylab/reading.py").write_text("from dreamr.data.table import ADAPTER, questions\n")
    mine = {"adapter": "mylab.reading", "path": str(questions), "columns": COLUMNS}
    suites = {"all": {"slices": [{"benchmark": "mine"}]}}
    (lab / "mine.yaml").write_text(yaml.safe_dump({"benchmarks": {"mine": mine}, "suites": suites}))
    project.succeed("results/data/mine.jsonl", "--configfile", str(lab / "mine.yaml"))
    assert len((project.folder / "results/data/mine.jsonl").read_text().splitlines()) == 2
