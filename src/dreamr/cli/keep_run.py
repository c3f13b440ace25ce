"""Keep the main results of a run in the repository, small: what README quotes.

    dreamr keep-run --configfile config/depth.yaml --out reports/kept
    dreamr keep-run --configfile config/ablations.yaml --out reports/kept/ablations
    dreamr keep-run --configfile config/accuracy.yaml --out reports/kept/accuracy

Each scale has a folder of its own. README, its documentation and the page quote these three.

OUT gets the page, packed, a picture of its first screen (which takes a chromium), the main tables (of those by pairs
the pools over all), and run.json: when the run ended, its scale, seed, machines, and the seconds of its rules. Prints
the lines that README quotes.
"""

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dreamr.cli.common import BASE, Overlays
from dreamr.config import Config
from dreamr.errors import UserError
from dreamr.files import write_atomically
from dreamr.planning.jobs import SummariseJob
from dreamr.planning.plan import Plan
from dreamr.planning.reading import read
from dreamr.report.page import first, machines, records, select
from dreamr.report.run_times import rule_times
from dreamr.report.sections import Row
from dreamr.runtime.endings import exit_on_user_error
from dreamr.statistics.frame import ALL, read_table, write_table
from dreamr.statistics.words import UNTESTED, bounds, formatted
from dreamr.studies.catalogue import kept

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCREEN = (1280, 900)  # pixels of the picture
POOL = {"target": ALL, "draft": ALL, "benchmark": ALL}
COLUMNS = {  # of the README's table: heading, table, quantity, format
    "accuracy %": ("accuracy", "accuracy", "share"),
    "against the target, points": ("accuracy", "accuracy_change", "points"),
    "speed-up": ("speed", "speedup", "times"),
    "speed-up per held device": ("speed", "speedup_per_held_device", "times"),
    "accepted of verified steps %": ("acceptance", "acceptance", "share"),
}


@exit_on_user_error()
def main(*, out: Path, configfile: Overlays = ()) -> None:
    """Write the files, and print the lines; a UserError where the folder holds a run of another scale.

    Args:
        out: folder for the kept files
    """
    config = read([BASE, *configfile])
    refuse_other_scale(out, config.scale)
    results, run = Path(config.pathvars.results), facts(config)
    take_picture(page(results), out / "page.png")
    for name, over in {"claims": (), **kept()}.items():
        table = read_table(results / "tables" / f"{name}.csv")
        write_table(table[(table[[*over]] == ALL).all(axis=1)], out / f"{name}.csv")
    (out / "page.html.gz").write_bytes(gzip.compress(page(results).read_bytes(), mtime=0))
    write_atomically(out / "run.json", json.dumps(run, indent=1) + "\n")
    print(*readme_lines(out, SummariseJob.of(config)), sep="\n")


def refuse_other_scale(out: Path, scale: str) -> None:
    """A kept run is replaced by one of its own scale alone."""
    file = out / "run.json"
    held = json.loads(file.read_text(encoding="utf-8"))["scale"] if file.is_file() else scale
    if held != scale:
        raise UserError(f"{out}: holds the kept run of scale {held}, not {scale}; give another folder: {out / scale}")


def facts(config: Config) -> dict[str, Any]:
    """When, on what and in what time a run was made."""
    results = Path(config.pathvars.results)
    ended = datetime.fromtimestamp(page(results).stat().st_mtime, UTC)
    traces = [Path(path) for path in Plan(config).outputs()["generate"]]
    named = {"title": config.title, "scale": config.scale, "seed": config.micro.seed if config.micro else None}
    rules = [
        {"rule": row["rule"], "jobs": row["jobs"], "seconds": round(row["seconds"])}
        for row in rule_times(Path(config.pathvars.benchmarks))
    ]
    return {"ended": f"{ended:%Y-%m-%d}", **named, "machines": machines(results / "cells", traces), "rules": rules}


def page(results: Path) -> Path:
    """The page of a run; a UserError where the run has not come to it."""
    file = results / "report" / "index.html"
    if not file.is_file():
        raise UserError(f"{file}: no such file; keep a run that has come to its page")
    return file


def browser() -> str | None:
    """The first of BROWSERS on the path."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def take_picture(page_file: Path, out: Path) -> None:
    """The first screen of a page; a UserError where there is no browser."""
    program = browser()
    if program is None:
        raise UserError(f"{out}: takes a browser, and none of {', '.join(BROWSERS)} is on the path")
    width, height = SCREEN
    options = ["--headless", f"--window-size={width},{height}", "--hide-scrollbars", f"--screenshot={out.resolve()}"]
    as_root = [] if os.geteuid() else ["--no-sandbox"]  # a browser of root has no other way
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([program, *options, *as_root, page_file.resolve().as_uri()], check=True, capture_output=True)


def readme_lines(folder: Path, job: SummariseJob) -> Iterator[str]:
    """What README quotes of a kept run: where it was made, its methods, its verdicts on main claims that it decides."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    named = " and ".join(machine["device"] for machine in run["machines"])
    yield f"Run of {run['ended']} on {named}; scale {run['scale']}, question seed {run['seed']}."
    for timed in select(records(read_table(folder / "background.csv")), mode="alone"):
        yield f"While it timed questions, other processes took {formatted(timed['share'], 'share')} % of the CPU time."
    yield ""
    yield from _methods_table(folder, job)
    yield ""
    for claim in records(read_table(folder / "claims.csv")):
        quoted = claim["headline"] and claim["decided_in"] == run["scale"]
        if quoted and claim["verdict"] not in UNTESTED:
            yield f"- {claim['text']} **{claim['verdict']}**"


def _methods_table(folder: Path, job: SummariseJob) -> Iterator[str]:
    """The main methods over all pairs. A quantity that none has, as speed where nothing was timed, is no column."""
    tables = {table: records(read_table(folder / f"{table}.csv")) for table, _, _ in COLUMNS.values()}
    pools = [
        {name: first(table, method=method, **POOL) for name, table in tables.items()} for method in job.display.main
    ]
    rows = [pool for pool in pools if pool["accuracy"]]
    cells = {name: [_cell(row[table], one, kind) for row in rows] for name, (table, one, kind) in COLUMNS.items()}
    told = {name: column for name, column in cells.items() if any(column)}
    yield f"| method | {' | '.join(told)} |"
    yield "| --- |" + " --- |" * len(told)
    for row, *line in zip(rows, *told.values(), strict=True):
        yield f"| {job.label(row['accuracy']['method'])} | {' | '.join(line)} |"


def _cell(row: Row | None, quantity: str, kind: str) -> str:
    if row is None or row[quantity] is None:
        return ""
    return formatted(row[quantity], kind) + bounds(row, quantity, kind)
