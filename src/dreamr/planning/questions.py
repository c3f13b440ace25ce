"""How many questions a benchmark has: those that are generated here, those of a local file, or what a user says."""

from functools import cache
from pathlib import Path

from dreamr.config import Config, DataSpec


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
