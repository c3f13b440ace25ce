"""How many questions a benchmark has: those that are generated here, those of a local file, or what a user says."""

import math
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path

from dreamr import components
from dreamr.config import Config, DataSpec, Slice


def of_slice(config: Config, part: Slice) -> int:
    """How many questions a slice asks; of a share about so many."""
    whole = clusters if part.versions == "one" else known
    return math.ceil(whole(config, part.benchmark) * part.width / part.shard[1])


def clusters(config: Config, benchmark: str) -> int:
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


def problems(config: Config) -> dict[str, int]:
    """How many problems of each benchmark the runs ask for, all shares and shards of it together."""
    asked = config.asked_slices
    return {
        name: round(
            covered(part for part in asked if part.benchmark == name)
            * known(config, name)
            / components.adapter(config.benchmarks[name].adapter).per_cluster
        )
        for name in config.asked
    }


def covered(slices: Iterable[Slice]) -> float:
    """The share of a benchmark that some of its slices hold. Of shards in several shares that meet, the most counts."""
    shards: dict[tuple[float, float], set[tuple[int, int]]] = defaultdict(set)
    for part in slices:
        shards[part.share or (0.0, 1.0)].add(part.shard)
    edges = sorted({edge for share in shards for edge in share})
    return sum(
        (high - low)
        * max((_held(held) for share, held in shards.items() if share[0] <= low and high <= share[1]), default=0)
        for low, high in pairwise(edges)
    )


def _held(shards: Iterable[tuple[int, int]]) -> float:
    """The share that these shards hold together."""
    edges = sorted({edge for number, of in shards for edge in ((number - 1) / of, number / of)})
    return sum(
        high - low
        for low, high in pairwise(edges)
        if any((number - 1) / of <= low and high <= number / of for number, of in shards)
    )


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
