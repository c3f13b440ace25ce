"""Turn the scores of all jobs into tables with intervals.

Each table is a CSV file with key columns (`all` in one of them is a pool), `n` rows, `clusters`, and for every quantity
X the columns X, X_low and X_high. An empty cell means that the data cannot tell. A cell that is faster than possible
stops the command: its times or counts are wrong. The tables are those of studies; claims holds the verdict on each
claim of the paper that our sources name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dreamr.certificates import Certificate, read_certificate
from dreamr.cli.common import PerhapsFiles, read_spec
from dreamr.planning.jobs import SummariseJob
from dreamr.records import read_rows
from dreamr.runtime.endings import exit_on_user_error
from dreamr.statistics.claims import judged, load_claims
from dreamr.statistics.frame import NO_AUDIT, load_scores, read_table, write_table
from dreamr.statistics.names import AUDITED
from dreamr.studies import catalogue
from dreamr.traces import Trace

CONFIG = Path(__file__).parents[3] / "config"


@dataclass(frozen=True)
class Answered:
    """What studies have for their tables."""

    rows: pd.DataFrame  # of the score frame
    audited: Mapping[str, pd.DataFrame]  # tables of cli.audit
    written: Mapping[str, pd.DataFrame]  # what was made so far, of which a study takes its own, as it is read
    files: tuple[Path, ...]  # of traces
    published: Path  # numbers of the paper
    certificates: tuple[Certificate, ...]  # of the thresholds that were calibrated
    job: SummariseJob

    @property
    def exposures(self) -> pd.DataFrame:
        """What each training drew of the overlapping questions."""
        return self.audited["exposures"]

    @property
    def traces(self) -> Iterator[Trace]:
        """All answers, read anew."""
        return (row for path in self.files for row in read_rows(path, Trace))


@exit_on_user_error()
def main(
    *,
    spec: str,
    scores: tuple[Path, ...],
    out: Path,
    traces: PerhapsFiles = (),
    claims: tuple[Path, ...] = (CONFIG / "claims.yaml", *catalogue.files("claims.yaml")),
    published: Path = CONFIG / "published.yaml",
    audit: Path | None = None,
    certificates: PerhapsFiles = (),
) -> None:
    """Write every table.

    Args:
        spec: JSON of a SummariseJob: statistics, methods, pairs
        scores: Score rows
        out: folder for the CSV files
        traces: their Trace rows, for spans
        claims: claims to judge (YAML)
        published: numbers of the paper (YAML)
        audit: folder of the audit's tables, where audited
        certificates: of the thresholds that were calibrated
    """
    job = read_spec(SummariseJob, spec)
    audited = {name: read_table(audit / f"{name}.csv") for name in AUDITED} if audit else NO_AUDIT
    rows = load_scores(scores, audited["overlaps"])
    written: dict[str, pd.DataFrame] = {}
    found = tuple(map(read_certificate, certificates))
    answered = Answered(rows, audited, written, traces, published, found, job)
    for name, table in catalogue.make("summarise", answered):
        write_table(table, out / f"{name}.csv")
        written[name] = read_table(out / f"{name}.csv")
    write_table(judged(load_claims(*claims), written, job), out / "claims.csv")
