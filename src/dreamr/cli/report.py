"""Put tables and figures into one self-contained HTML page.

The page shows only what earlier rules computed: tables, figures, model cards, the cards of the cells that the traces
name, and the workflow's own benchmark files and logs. It needs no network and no other file.
"""

from pathlib import Path

from dreamr.cli.common import read_spec
from dreamr.config import Config
from dreamr.files import write_atomically
from dreamr.report.page import Sources, render
from dreamr.runtime.endings import exit_on_user_error
from dreamr.studies.catalogue import studies

TEMPLATES = Path(__file__).parents[3] / "reports"


@exit_on_user_error()
def main(
    *,
    spec: str,
    tables: Path,
    audit: Path,
    figures: Path,
    cards: tuple[Path, ...],
    traces: tuple[Path, ...],
    cells: Path,
    benchmarks: Path,
    logs: Path,
    out: Path,
    verification: Path | None = None,
    kept: Path | None = None,
    templates: Path = TEMPLATES,
) -> None:
    """Write the page.

    Args:
        spec: JSON of the whole checked configuration
        tables: folder of the tables
        audit: folder of the audit's tables
        figures: folder of the figures
        cards: the models' card.json
        traces: Trace rows
        cells: folder of the answered cells' cards
        benchmarks: folder of Snakemake's <rule>/*.tsv
        logs: folder of the jobs' <rule>/*.log
        out: the page
        verification: folder of what verify wrote, where it did
        kept: folder of kept larger runs, whose verdicts stand beside those of this one
        templates: folder of page.html.j2, css, js
    """
    sources = Sources(tables, audit, figures, cards, traces, cells, benchmarks, logs, verification, kept)
    page = render(read_spec(Config, spec), sources, templates, studies())
    write_atomically(out, page)
