"""Adapters from published data sets to `Question`, one file each, and the loader that they share."""

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
