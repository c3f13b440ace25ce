"""Put tables and figures into one self-contained HTML page.

The page shows only what earlier rules computed: tables, figures, model cards, the cards of the cells that the traces
name, and the workflow's own benchmark files. It needs no network and no other file.
"""

import argparse
from pathlib import Path

from dreamr.config import Config
from dreamr.page import Sources, render

TEMPLATES = Path(__file__).parents[3] / "reports"


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    names = ("tables", "audit", "figures", "cards", "traces", "cells", "benchmarks", "verification")
    sources = Sources(**{name: getattr(options, name) for name in names})
    page = render(Config.model_validate_json(options.spec), sources, options.templates)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    part = options.out.with_name(options.out.name + ".part")
    part.write_text(page, encoding="utf-8")
    part.replace(options.out)


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="python -m dreamr.cli.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    described.add_argument("--spec", required=True, metavar="JSON", help="the whole checked configuration")
    described.add_argument("--tables", required=True, type=Path, metavar="FOLDER", help="tables of cli.summarise")
    described.add_argument("--audit", required=True, type=Path, metavar="FOLDER", help="overlaps.csv of cli.audit")
    described.add_argument("--figures", required=True, type=Path, metavar="FOLDER", help="figures of cli.plot")
    described.add_argument("--cards", required=True, nargs="+", type=Path, metavar="FILE", help="the models' card.json")
    described.add_argument("--traces", required=True, nargs="+", type=Path, metavar="FILE", help="Trace rows")
    described.add_argument("--cells", required=True, type=Path, metavar="FOLDER", help="cards of the answered cells")
    described.add_argument("--benchmarks", required=True, type=Path, metavar="FOLDER", help="<rule>/*.tsv of Snakemake")
    described.add_argument(
        "--verification", type=Path, metavar="FOLDER", help="results of cli.verify, where there are any"
    )
    described.add_argument("--templates", default=TEMPLATES, type=Path, metavar="FOLDER", help="page.html.j2, css, js")
    described.add_argument("--out", required=True, type=Path, metavar="FILE", help="the page")
    return described


if __name__ == "__main__":
    main()
