"""Draw the report's figures from the tables, the training curves and the traces of one pair.

Each figure is an SVG file; beside it lies a CSV file with the numbers that it shows. A figure whose part of the
experiment is not in the configuration is not drawn.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import Parameter

from dreamr.cli.common import PerhapsFiles, read_spec
from dreamr.planning.jobs import SummariseJob
from dreamr.report.drawing import Chart, style, svg
from dreamr.report.overview import overview, pooled
from dreamr.runtime.endings import exit_on_user_error
from dreamr.statistics.frame import read_table
from dreamr.studies.catalogue import make


@dataclass(frozen=True)
class Sources:
    """What the figures are drawn from.

    Args:
        tables: folder of the tables
        trainings: training.csv files
        traces: Trace rows
        verification: folder of what verify wrote, where it did
    """

    tables: Path
    trainings: PerhapsFiles = ()
    traces: PerhapsFiles = ()
    verification: Path | None = None

    @property
    def csv(self) -> list[Path]:
        """All tables."""
        folders = [self.tables, *([self.verification] if self.verification else [])]
        return [path for folder in folders for path in sorted(folder.glob("*.csv"))]


@dataclass(frozen=True)
class Drawn:
    """What studies have for their figures."""

    tables: Mapping[str, pd.DataFrame]
    trainings: tuple[Path, ...]  # training.csv files
    traces: tuple[Path, ...]  # files of Trace rows
    verification: Path | None  # folder of what verify wrote, where it did
    job: SummariseJob


@exit_on_user_error()
def main(*, spec: str, out: Path, sources: Annotated[Sources, Parameter("*")]) -> None:
    """Draw every figure that has something to show.

    Args:
        spec: JSON of the tables' SummariseJob
        out: folder for figures; emptied first
    """
    job = read_spec(SummariseJob, spec)
    style()
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.*"):
        old.unlink()
    for name, chart in charts(sources, job):
        (out / f"{name}.csv").write_text(chart.data.to_csv(index=False, float_format="%.6g"), encoding="utf-8")
        (out / f"{name}.svg").write_text(svg(chart, name), encoding="utf-8")


def charts(sources: Sources, job: SummariseJob) -> Iterator[tuple[str, Chart]]:
    """Every figure that has something to show, by name."""
    tables = {path.stem: read_table(path) for path in sources.csv}
    drawn = Drawn(tables, sources.trainings, sources.traces, sources.verification, job)
    yield from ((name, chart) for name, chart in make("plot", drawn) if chart)
    whole = {"accuracy", "speed"} <= tables.keys()
    if whole and len(pooled(tables["accuracy"], tables["speed"], job.display.main)):
        yield "overview", overview(tables["accuracy"], tables["speed"], job)
