"""Adapters from published data sets to `Question`, one file each, and the loader that they share.

The first question of each micro data set as q3vl-2l reads it, with the tokens of its picture and of the prompt:

    mathverse: 60 x 60 pixels, 4 of 71 tokens; gold A
      <image>The picture shows 8 6 / 4 1. What is the largest of the digits in row 1?
      A. 8
      B. 2
      C. 10
      D. 4
      Reason in short steps with a blank line after each. End with Answer: and the option letter.
    mmbench: 60 x 60 pixels, 4 of 57 tokens; gold C
      <image>What is the sum of the digits on grey?
      A. 16
      B. 17
      C. 11
      Reason in short steps with a blank line after each. End with Answer: and the option letter.
    realworldqa: 90 x 60 pixels, 6 of 46 tokens; gold 3
      <image>What is the sum of the digits on yellow?
      Reason in short steps with a blank line after each. End with Answer: and the value.
    mmmu: 60 x 60 pixels, 4 of 62 tokens; gold B
      <image>What is the sum of the digits in row 1?
      A. 9
      B. 13
      C. 16
      D. 7
      Reason in short steps with a blank line after each. End with Answer: and the option letter.
    geometry3k: 90 x 60 pixels, 6 of 47 tokens; gold 18
      <image>What is the sum of the digits in row 1?
      Reason in short steps with a blank line after each. End with Answer: and the value.
    ocr_vqa: 60 x 90 pixels, 6 of 49 tokens; gold No
      <image>Is the sum of the digits in column 2 greater than 10?
      Reason in short steps with a blank line after each. End with Answer: and the value.
    scienceqa: 90 x 90 pixels, 9 of 72 tokens; gold C
      <image>Look at the digits.
      What is the sum of the digits on grey?
      A. 5
      B. 4
      C. 7
      D. 3
      Reason in short steps with a blank line after each. End with Answer: and the option letter.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamr.benchmarks.rows import Album
from dreamr.records import Question

if TYPE_CHECKING:
    from dreamr.config import DataSpec

ADAPTERS = {name: "benchmarks" for name in ("mathverse", "mmbench", "realworldqa", "mmmu")} | {
    name: "training_sets" for name in ("geometry3k", "ocr_vqa", "scienceqa")
}


def adapter(name: str) -> Any:
    """The adapter module; its `questions(row, number, keep)` yields the questions of one row."""
    return import_module(f"dreamr.{ADAPTERS[name]}.{name}")


def load_questions(spec: "DataSpec", image_folder: Path) -> list[Question]:
    """The data set's questions, in its order, the first `spec.limit`; their pictures go to `image_folder`/images."""
    read, keep = adapter(spec.adapter).questions, Album(image_folder)
    kept: list[Question] = []
    for number, row in enumerate(_rows(spec)):
        kept += read(row, number, keep)
        if spec.limit is not None and len(kept) >= spec.limit:
            return kept[: spec.limit]
    return kept


def _rows(spec: "DataSpec") -> Any:
    """All rows of one split, from a local folder of parquet files or from the hub."""
    from datasets import load_dataset

    folder = Path(spec.path)
    if not folder.is_dir():
        return load_dataset(spec.path, spec.config, split=spec.split, revision=spec.revision)
    files = sorted(str(file) for file in folder.glob(f"{spec.split}*.parquet"))
    if not files:
        raise SystemExit(
            f"{folder}: no file {spec.split}*.parquet; it holds {sorted(p.name for p in folder.iterdir())}"
        )
    return load_dataset("parquet", data_files={spec.split: files}, split=spec.split)
