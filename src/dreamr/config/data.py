"""Data sets: where their questions come from, and how large those are that the micro world makes."""

from pydantic import Field

from dreamr import components
from dreamr.config.base import AdapterName, Count, Spec

# Data sets that the micro world makes, each read by the adapter of its name.
GENERATED = ("mathverse", "mmbench", "realworldqa", "mmmu", "geometry3k", "ocr_vqa", "scienceqa")


class DataSpec(Spec):
    """One data set: where it comes from and which adapter reads it."""

    adapter: AdapterName = Field(description="The data set whose columns it has: a module in `src/dreamr/data`.")
    path: str = Field(description="A local folder of parquet files `<split>*.parquet`, or an id on the hub.")
    config: str | None = Field(default=None, description="The hub's name of a configuration of the data set.")
    split: str = Field(description="The split whose questions are used, such as `testmini`.")
    revision: str | None = Field(
        default=None, description="Commit on the hub; null for local files. `scale: paper` demands it."
    )
    limit: Count | None = Field(default=None, description="Use the first so many questions; null: all.")


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
