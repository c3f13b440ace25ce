"""From a folder of parquet files to typed questions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datasets import Dataset, Features, Image, Value
from datasets.exceptions import DatasetNotFoundError
from PIL import Image as Pillow
from pyarrow import Table
from pyarrow.parquet import read_table, write_table

from dreamr.cli.prepare import main
from dreamr.config import DataSpec
from dreamr.data.loading import check_question, prepare_questions
from dreamr.errors import UserError
from dreamr.records import Question, read_rows

FEATURES = Features({"image": Image(), "question": Value("string"), "answer": Value("string")})


def realworldqa(folder: Path, answers: list[Any]) -> str:
    """A spec of a look-alike of RealWorldQA with one row an answer."""
    question = (
        "Which?\n\nA. 12\nB. 17\n\nPlease answer directly with only the letter of the correct option and nothing else."
    )
    rows = [
        {"image": Pillow.new("RGB", (8, 8), (k, 0, 0)), "question": question, "answer": a}
        for k, a in enumerate(answers)
    ]
    folder.mkdir()
    Dataset.from_list(rows, features=FEATURES).to_parquet(folder / "test-00000-of-00001.parquet")
    data = {"adapter": "realworldqa", "path": str(folder), "split": "test"}
    return json.dumps({"name": "roads", "data": data})


def test_questions_and_images_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = realworldqa(tmp_path / "source", ["A", "B"])
    out = tmp_path / "data" / "roads.jsonl"
    main(spec=spec, out=out)
    rows = list(read_rows(out, Question))
    assert [(row.dataset, row.id, row.options, row.gold) for row in rows] == [
        ("realworldqa", "0", ("12", "17"), ("A",)),
        ("realworldqa", "1", ("12", "17"), ("B",)),
    ]
    assert all((out.parent / name).is_file() for row in rows for name in row.images)
    assert "Please answer" not in rows[0].prompt
    assert capsys.readouterr().out == "roads: 2 questions, 2 clusters, 2 images\n"


def test_a_broken_row_stops_with_data_set_row_column_and_value(tmp_path: Path) -> None:
    spec = realworldqa(tmp_path / "source", ["A", None])
    with pytest.raises(SystemExit, match="realworldqa, row 1, column answer: found None, expected str"):
        main(spec=spec, out=tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_a_wrong_spec_stops_with_the_key_and_what_is_allowed(tmp_path: Path) -> None:
    spec = json.dumps({"name": "x", "data": {"adapter": "vqa", "path": ".", "split": "test"}})
    with pytest.raises(SystemExit, match=r"(?s)data\.adapter.*'vqa': no such adapter; there are: .*mathverse"):
        main(spec=spec, out=tmp_path / "out.jsonl")


def test_a_folder_that_is_not_here_is_told_before_the_hub_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Mistyped, it is taken for the name of a data set there."""

    def unknown(*_: object, **__: object) -> None:
        raise DatasetNotFoundError("Dataset 'my/fodler' doesn't exist on the Hub or cannot be accessed.")

    monkeypatch.setattr("datasets.load_dataset", unknown)
    spec = DataSpec.model_validate({"adapter": "realworldqa", "path": "my/fodler", "split": "test"})
    with pytest.raises(UserError, match=r"^no folder my/fodler here; as a data set of the hub, my/fodler, split"):
        prepare_questions("mine", spec, tmp_path)


def test_a_folder_without_the_split_names_what_it_holds(tmp_path: Path) -> None:
    spec = realworldqa(tmp_path / "source", ["A"]).replace('"test"', '"train"')
    with pytest.raises(SystemExit, match=r"no file train\*\.parquet.*test-00000-of-00001"):
        main(spec=spec, out=tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": "Which?"}, "0 image marks for 1 images"),
        ({"prompt": "<image>"}, "no words"),
        ({"gold": ("",)}, "is empty"),
        ({"options": ("12",)}, "a single option"),
    ],
)
def test_a_question_that_does_not_fit_together_stops(changes: dict[str, Any], message: str) -> None:
    fields = {
        "id": "7",
        "dataset": "roads",
        "prompt": "<image>Which?",
        "images": ("1.png",),
        "gold": ("12",),
        "cluster": "7",
    }
    with pytest.raises(UserError, match=f"roads, question 7: .*{message}"):
        check_question(Question(**(fields | changes)))


def broken(folder: Path, change: Callable[[Table], Table]) -> dict[str, Any]:
    """The command's arguments for a data set whose parquet file was damaged by `change`."""
    rows = [{"image": Pillow.new("RGB", (8, 8)), "question": "Which?\nA. 1\nB. 2", "answer": "A"}] * 3
    Dataset.from_list(rows, features=FEATURES).to_parquet(folder / "whole.parquet")
    write_table(change(read_table(folder / "whole.parquet")), folder / "test.parquet")
    spec = {"name": "roads", "data": {"adapter": "realworldqa", "path": str(folder), "split": "test"}}
    return {"spec": json.dumps(spec), "out": folder / "roads.jsonl"}


def with_images(images: list[Any]) -> Callable[[Table], Table]:
    """Puts other values in the column of images, and forgets what the file says about its columns."""

    def change(table: Table) -> Table:
        stored = pa.array(images, type=table.schema.field("image").type if isinstance(images[1], dict) else None)
        place = table.schema.get_field_index("image")
        return table.set_column(place, "image", stored).replace_schema_metadata(None)

    return change


STORED = {"bytes": None, "path": None}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (with_images([STORED, STORED | {"bytes": b"no image"}, STORED]), "row 0, column image: found None"),
        (with_images(["a.png", "b.png", "c.png"]), r"row 0, column image: found 'a\.png', expected Image"),
        (lambda table: table.slice(0, 0), r"test\.parquet: cannot be read .* empty or damaged"),
        (lambda table: table.drop_columns(["image"]), "row 0, column image: found None, expected Image"),
    ],
    ids=["no bytes", "no images", "no rows", "no column"],
)
def test_a_broken_data_set_is_named_with_row_and_column(
    tmp_path: Path, change: Callable[[Table], Table], told: str
) -> None:
    with pytest.raises(SystemExit, match=told):
        main(**broken(tmp_path, change))


def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    def cut(table: Table) -> Table:
        images = table.column("image").to_pylist()
        images[1]["bytes"] = images[1]["bytes"][:40]
        return with_images(images)(table)

    with pytest.raises(SystemExit, match=r"realworldqa, row 1, column image: found b'.*, expected an image \("):
        main(**broken(tmp_path, cut))


def test_a_column_that_lost_its_type_still_holds_its_images(tmp_path: Path) -> None:
    """Parquet files written without the library say "bytes and path" where they mean an image."""
    main(**broken(tmp_path, lambda table: table.replace_schema_metadata(None)))
    assert len(list(read_rows(tmp_path / "roads.jsonl", Question))) == 3
