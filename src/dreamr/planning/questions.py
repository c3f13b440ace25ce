"""How many questions a benchmark has: those that are generated here, those of a local file, or what a user says."""

import math
from functools import cache
from pathlib import Path

from dreamr import components
from dreamr.config import Config, DataSpec, Slice


def of_slice(config: Config, part: Slice) -> int:
    """How many questions a slice asks; of a share about so many."""
    whole = problems if part.versions == "one" else known
    return math.ceil(whole(config, part.benchmark) * part.width / part.shard[1])


def problems(config: Config, benchmark: str) -> int:
    """How many problems a benchmark has; about, where some have fewer versions and the questions are limited."""
    each = components.adapter(config.benchmarks[benchmark].adapter).per_cluster
    return max(1, round(known(config, benchmark) / each))


def known(config: Config, benchmark: str) -> int:
    """How many questions a benchmark has, within its limit."""
    data = config.benchmarks[benchmark]
    if config.micro and config.is_micro(benchmark):
        count = config.micro.questions(benchmark)
    else:
        count = config.estimates.questions.get(benchmark) or counted(data)
    return min(count, data.limit or count)


def counted(data: DataSpec) -> int:
    """The rows of a local data set."""
    return sum(rows(file, file.stat().st_mtime_ns) for file in data.files)


@cache
def rows(file: Path, changed: int) -> int:
    """The rows of a file, read once for each time at which it was changed."""
    from pandas import read_csv, read_parquet

    if file.suffix == ".parquet":
        return len(read_parquet(file, columns=[]))
    if file.suffix == ".csv":
        return len(read_csv(file, usecols=[0]))
    return sum(bool(line.strip()) for line in file.read_text(encoding="utf-8").splitlines())
