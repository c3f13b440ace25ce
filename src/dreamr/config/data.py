"""Data sets: where their questions come from, and how large those are that the micro world makes."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from dreamr import components
from dreamr.config.base import AdapterName, Count, Spec

# Data sets that the micro world makes, each read by the adapter of its name.
GENERATED = ("mathverse", "mmbench", "realworldqa", "mmmu", "geometry3k", "ocr_vqa", "scienceqa")


FILES = (".parquet", ".jsonl", ".csv")  # kinds of local files by the ends of their names
TableField = Literal["id", "question", "image", "options", "answer", "cluster", "category"]


class DataSpec(Spec):
    """One data set: where it comes from and which adapter reads it."""

    adapter: AdapterName = Field(
        description="The data set whose columns it has: a module in `src/dreamr/data`; `table`, whose columns are "
        "named here; or by a name with a dot a module of your own, beside the configuration file."
    )
    path: str = Field(
        description="A local file (parquet, JSONL, CSV), a local folder of such files `<split>*`, or an id on the hub."
    )
    columns: dict[TableField, str | tuple[str, ...]] = Field(
        default={},
        description="table: the column, or several, of each field. Left out: columns of usual names, such as "
        "`question`, `image`, `options` and `answer`.",
    )
    config: str | None = Field(default=None, description="The hub's name of a configuration of the data set.")
    split: str | None = Field(
        default=None, description="The split whose questions are used, such as `testmini`; null: all files of `path`."
    )
    revision: str | None = Field(
        default=None, description="Commit on the hub; null for local files. `scale: paper` demands it."
    )
    limit: Count | None = Field(default=None, description="Use the first so many questions; null: all.")

    @property
    def files(self) -> list[Path]:
        """The local files that hold it; none of a data set of the hub."""
        path = Path(self.path)
        found = [path] if path.is_file() else path.glob(f"{self.split or ''}*")
        return sorted(file for file in found if file.suffix in FILES)

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine, or has to: an id on the hub is owner/name, and nothing here."""
        path, named = Path(self.path), components.adapter(self.adapter).columns
        outside = path.is_absolute() or len(path.parts) > 2 or self.path.startswith(".") or path.suffix in FILES
        return named or outside or path.exists()

    @property
    def source(self) -> tuple[str | None, ...]:
        """What two data sets have in common if they may hold the same questions."""
        return self.path, self.config, self.split

    @model_validator(mode="after")
    def _read_as_it_is(self) -> Self:
        """Columns are named for an adapter that asks for that."""
        if self.columns and not components.adapter(self.adapter).columns:
            raise ValueError(f"adapter {self.adapter!r} has columns of its own; allowed with columns: adapter table")
        if self.split is None and not self.is_local:
            raise ValueError(f"split: {self.path!r} is no file or folder here, and one of the hub needs a split")
        return self


class ImageSize(Spec):
    """Bounds on an image's pixels (width x height), for targets, drafts and training alike."""

    min_pixels: Count = Field(description="Pixels (width x height); a smaller image is enlarged to them.")
    max_pixels: Count = Field(description="Pixels (width x height); a larger image is shrunk to them.")


class Clusters(Spec):
    """How many problems each micro benchmark has: MathVerse's in five versions each, MMBench's in up to four."""

    mathverse: Count = Field(description="Number of problems; each is asked in five versions.")
    mmbench: Count = Field(description="Number of problems; each is asked in three or four rotations of its options.")
    realworldqa: Count = Field(description="Number of problems; each is asked once.")
    mmmu: Count = Field(description="Number of problems; each is asked once.")

    def of(self, benchmark: str) -> int:
        """Those of one benchmark."""
        clusters: int = getattr(self, benchmark)
        return clusters


class Micro(Spec):
    """Size and seed of the micro world's data sets; null at scales that use the hub."""

    folder: str = Field(description="The folder in which the data sets are made.")
    seed: int = Field(description="Seed of the data sets: each one gives other problems.")
    clusters: Clusters = Field(description="Problems of each benchmark; the more, the narrower intervals are.")
    training_questions: Count = Field(
        description="Questions of each training set, about. Copies of a quarter of the benchmarks' problems (MMMU's "
        "aside) are among them."
    )

    def questions(self, benchmark: str) -> int:
        """How many questions a benchmark has at most: some of MMBench's have three options, and so three rotations."""
        return self.clusters.of(benchmark) * components.adapter(benchmark).per_cluster
