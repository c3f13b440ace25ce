"""Adapters from published data sets to `Question`, one file each, and the loader that they share.

The first question of each micro data set as q3vl-2l reads it, with the tokens of its picture and of the prompt:

    mathverse: 60 x 60 pixels, 4 of 71 tokens; gold A
      <image>The picture shows 6 3 / 6 5. What is the largest of the digits in row 1?
      A. 6
      B. 8
      C. 5
      D. 1
      Reason in short steps with a blank line after each. End with Answer: and the option letter.
    mmbench: 60 x 30 pixels, 2 of 60 tokens; gold D
      <image>What is the sum of the digits in row 1?
      A. 8
      B. 15
      C. 18
      D. 13
      Reason in short steps with a blank line after each. End with Answer: and the option letter.
    realworldqa: 90 x 30 pixels, 3 of 44 tokens; gold 17
      <image>What is the sum of the digits in row 1?
      Reason in short steps with a blank line after each. End with Answer: and the value.
    mmmu: 60 x 30, 60 x 60 pixels, 6 of 49 tokens; gold 1 or 1.0
      <image> <image> What is the largest of the digits in row 1?
      Reason in short steps with a blank line after each. End with Answer: and the value.
    geometry3k: 60 x 30 pixels, 2 of 43 tokens; gold 6
      <image>What is the sum of the digits in row 1?
      Reason in short steps with a blank line after each. End with Answer: and the value.
    ocr_vqa: 90 x 90 pixels, 9 of 49 tokens; gold 5
      <image>What is the largest of the digits on yellow?
      Reason in short steps with a blank line after each. End with Answer: and the value.
    scienceqa: 60 x 60 pixels, 4 of 67 tokens; gold B
      <image>Look at the digits.
      What is the sum of the digits on grey?
      A. 12
      B. 9
      C. 6
      D. 11
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
