"""Put tables and figures into one self-contained HTML page.

The page shows only what earlier rules computed: tables, figures, model cards, the cards of the cells that the traces
name, and the workflow's own benchmark files and logs. It needs no network and no other file.
"""

import argparse
from pathlib import Path

from dreamr.cli.common import command_parser, read_spec
from dreamr.config import Config
from dreamr.files import write_atomically
from dreamr.report.page import Sources, render
from dreamr.runtime.endings import worded

TEMPLATES = Path(__file__).parents[3] / "reports"


@worded()
def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    names = ("tables", "audit", "figures", "cards", "traces", "cells", "benchmarks", "logs", "verification")
    sources = Sources(**{name: getattr(options, name) for name in names})
    page = render(read_spec(Config, options.spec), sources, options.templates)
    write_atomically(options.out, page)


def parser() -> argparse.ArgumentParser:
    described = command_parser("report", __doc__)
    described.add_argument("--spec", required=True, metavar="JSON", help="the whole checked configuration")
    described.add_argument("--tables", required=True, type=Path, metavar="FOLDER", help="tables of cli.summarise")
    described.add_argument("--audit", required=True, type=Path, metavar="FOLDER", help="overlaps.csv of cli.audit")
    described.add_argument("--figures", required=True, type=Path, metavar="FOLDER", help="figures of cli.plot")
    described.add_argument("--cards", required=True, nargs="+", type=Path, metavar="FILE", help="the models' card.json")
    described.add_argument("--traces", required=True, nargs="+", type=Path, metavar="FILE", help="Trace rows")
    described.add_argument("--cells", required=True, type=Path, metavar="FOLDER", help="cards of the answered cells")
    described.add_argument("--benchmarks", required=True, type=Path, metavar="FOLDER", help="<rule>/*.tsv of Snakemake")
    described.add_argument("--logs", required=True, type=Path, metavar="FOLDER", help="<rule>/*.log of the jobs")
    described.add_argument(
        "--verification", type=Path, metavar="FOLDER", help="results of cli.verify, where there are any"
    )
    described.add_argument("--templates", default=TEMPLATES, type=Path, metavar="FOLDER", help="page.html.j2, css, js")
    described.add_argument("--out", required=True, type=Path, metavar="FILE", help="the page")
    return described


if __name__ == "__main__":
    main()
