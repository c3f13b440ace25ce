"""Draw the report's figures from the tables, the training curves and the traces of one pair.

Each figure is an SVG file; beside it lies a CSV file with the numbers that it shows. A figure whose part of the
experiment is not in the configuration is not drawn.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import Parameter

from dreamr.cli.common import PerhapsFiles, read_spec
from dreamr.config import sapo_recipe
from dreamr.planning.jobs import SummariseJob
from dreamr.records import Trace, read_rows
from dreamr.report import arms, figures
from dreamr.report.drawing import Chart, style, svg
from dreamr.report.labels import COMPARED
from dreamr.report.overview import overview, pooled
from dreamr.report.timeline import side_by_side, timeline
from dreamr.runtime.endings import exit_on_user_error
from dreamr.statistics.frame import ALL, read_table
from dreamr.studies.catalogue import make

LADDER = 2  # settings of target speculation in the schedule ablation; more are an experiment of their own
CURVES = ("reward", "outcome", "alignment", "length", "acceptance", "tokens")


@dataclass(frozen=True)
class Sources:
    """What the figures are drawn from.

    Args:
        tables: folder of the tables
        trainings: training.csv files
        traces: Trace rows, for the timeline
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

    tables: dict[str, pd.DataFrame]
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
    yield from ((name, chart) for name, chart in make("plot", Drawn(tables, job)) if chart)
    if len(pooled(tables["accuracy"], tables["speed"])):
        yield "overview", overview(tables["accuracy"], tables["speed"], job.statistics.margin)
    accuracy, speed, acceptance = (main_pairs(tables[name], job) for name in ("accuracy", "speed", "acceptance"))
    if len(accuracy):
        yield "accuracy", figures.accuracy(accuracy, job.statistics.margin)
    if len(tables["contrasts"]):
        yield "contrasts", figures.contrasts(tables["contrasts"])
    if len(speed):
        yield "speed", figures.speed(speed)
        yield "split", figures.split(speed, main_pairs(tables["split"], job))
        yield "acceptance", figures.acceptance(acceptance, speed, job.methods[job.reference].window or 1)
    if sources.trainings:
        yield "sapo", figures.sapo(curves(sources.trainings), CURVES)
    ablation = tables["ablation"]
    if len(ablation):
        yield "ablation", figures.ablation(ablation)
    if "target_speculation" in tables:
        yield "target_speculation", arms.computed(tables["target_speculation"])
    settings = ahead(ablation)
    if settings.setting.nunique() > LADDER:
        yield "target-speculation-measured", arms.measured(settings)
    shown = side_by_side(timed(sources.traces), job.pairs, job.reference)
    if shown:
        yield "timeline", timeline(shown)


def ahead(ablation: pd.DataFrame) -> pd.DataFrame:
    """Rows of the settings of what the target does ahead of a verdict, on single pairs."""
    schedules = ablation[(ablation.benchmark == ALL) & (ablation.kind == "schedule") & (ablation.draft != ALL)]
    return schedules[schedules.setting != "sequential"]


def main_pairs(table: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Rows of the main experiment's pairs and of their pool, without controls."""
    wanted = {*job.pairs, (ALL, ALL)}
    here = [cell in wanted for cell in zip(table.target, table.draft, strict=True)]
    return table[pd.Series(here, index=table.index, dtype=bool) & table.method.isin(COMPARED)]


def curves(files: Iterable[Path]) -> pd.DataFrame:
    """Training curves of all drafts with their recipes; a model is named by its folder."""
    named = {path.parent.name: pd.read_csv(path) for path in sorted(files)}
    parts = [part.assign(model=model, recipe=sapo_recipe(model)) for model, part in named.items()]
    return pd.concat(parts, ignore_index=True)


def timed(files: Iterable[Path]) -> list[Trace]:
    return [
        row for path in sorted(files) for row in read_rows(path, Trace) if row.mode == "alone" and row.replicate == 0
    ]
