"""Where the time of a run went: by rule, and of the rule that answers by phase."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from dreamr.report.sections import Row
from dreamr.runtime.starts import MARK

# Rules that are timed: in <benchmarks>/<rule>.tsv, or below <benchmarks>/<rule> where a rule has many jobs.
RULES = (
    *("environment", "make_micro", "prepare", "audit", "fetch_model", "train_zoo", "quantize", "train_sapo"),
    *("make_calibration", "ask_target", "calibrate"),
    *("answer", "generate", "grade", "verify", "summarise", "simulate", "plot", "report"),
)
# What a job of `generate` tells of itself in its log, by what it is called here; the rest of its time comes before.
START = "start"
PHASES = {
    "engines started": "engines, their imports included",
    "questions measured": "reading lengths",
    "batched": "many at once",
    "timed": "one at a time",
}
TOLD = re.compile(rf"({'|'.join(PHASES)}): (\d+\.\d+) s$", re.MULTILINE)


def rule_times(folder: Path) -> list[Row]:
    """Jobs, seconds, CPU seconds and greatest memory of each rule, from Snakemake's benchmark files.

    What a file does not tell is None, as where the workflow ran elsewhere than the jobs. Only the rules' own files are
    read: in the folder of the default scale lie those of the other scales.
    """
    files = {rule: list(_files(folder, rule)) for rule in RULES}
    rows = [_rule(rule, paths) for rule, paths in files.items() if paths]
    return _with_shares(sorted(rows, key=lambda row: -row["seconds"]))


def _rule(rule: str, files: Iterable[Path]) -> Row:
    jobs = pd.concat([pd.read_csv(path, sep="\t", na_values="-", nrows=1) for path in files])
    jobs = jobs.reindex(columns=["s", "cpu_time", "max_rss"]).astype(float)
    sums = {"seconds": jobs.s.sum(), "cpu_seconds": jobs.cpu_time.sum(min_count=1)}
    sums |= {"longest": jobs.s.max(), "memory": jobs.max_rss.max()}
    known = {name: None if pd.isna(value) else float(value) for name, value in sums.items()}
    return {"rule": rule, "jobs": len(jobs), **known}


def phase_times(benchmarks: Path, logs: Path) -> list[Row]:
    """Seconds of the jobs that answer by phase, of those whose log tells all of them; [] where none does."""
    spent = dict.fromkeys((START, *PHASES.values()), 0.0)
    jobs = 0
    for path in _files(benchmarks, "generate"):
        phases = _phase_seconds(logs / path.relative_to(benchmarks).with_suffix(".log"))
        if phases.keys() == PHASES.keys():
            jobs += 1
            spent[START] += float(pd.read_csv(path, sep="\t").s.iloc[0]) - sum(phases.values())
            for name, seconds in phases.items():
                spent[PHASES[name]] += seconds
    return _with_shares([{"phase": name, "jobs": jobs, "seconds": seconds} for name, seconds in spent.items() if jobs])


def _phase_seconds(log: Path) -> dict[str, float]:
    """Seconds of the phases that a log tells of the job's last start; a file that is gone tells none."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return {name: float(seconds) for name, seconds in TOLD.findall(text.rpartition(MARK)[2])}


def _files(folder: Path, rule: str) -> Iterator[Path]:
    for pattern in (f"{rule}.tsv", f"{rule}/**/*.tsv"):
        yield from sorted(folder.glob(pattern))


def _with_shares(rows: list[Row]) -> list[Row]:
    """The rows with each one's share of all seconds."""
    whole = sum(row["seconds"] for row in rows)
    return [row | {"share": row["seconds"] / whole} for row in rows]
