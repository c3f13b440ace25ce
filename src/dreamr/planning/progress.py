"""About how long a run will take, from the times of jobs that ran before."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean

ALONE = frozenset({"answer", "generate"})  # rules whose jobs take the whole machine


def job_seconds(folder: Path) -> dict[str, float]:
    """Mean seconds of a job per rule, from Snakemake's benchmark files `folder`/<rule>[/...].tsv; {} without any."""
    found: dict[str, list[float]] = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        with path.open(encoding="utf-8") as file:
            rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
            found.setdefault(rule, []).extend(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
    return {rule: mean(seconds) for rule, seconds in found.items() if seconds}


def missing(outputs: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """How many jobs of each rule have not written their output yet."""
    counts = {rule: sum(not Path(path).exists() for path in paths) for rule, paths in outputs.items()}
    return {rule: count for rule, count in counts.items() if count}


def minutes(waiting: Mapping[str, int], seconds: Mapping[str, float], cores: int) -> float:
    """Expected minutes of the waiting jobs of rules with known times, on `cores` cores."""
    times = {rule: count * seconds[rule] for rule, count in waiting.items() if rule in seconds}
    return sum(time / (1 if rule in ALONE else cores) for rule, time in times.items()) / 60


def announcement(outputs: Mapping[str, Iterable[str]], seconds: Mapping[str, float], cores: int) -> str:
    """What is left to do and about how long it takes, in a few lines."""
    waiting = missing(outputs)
    if not waiting:
        return "All long jobs are done; what changed is done again."
    jobs = ", ".join(f"{count} {rule}" for rule, count in waiting.items())
    unknown = [rule for rule in waiting if rule not in seconds]
    lines = [f"Still to do: {jobs}."]
    if len(unknown) < len(waiting):
        lines.append(f"About {max(1, round(minutes(waiting, seconds, cores)))} min on {cores} cores, by earlier runs.")
    if unknown:
        lines.append(f"No times are known yet of: {', '.join(unknown)}.")
    return "\n".join(lines)
