"""About how long a run will take, from the times of jobs that ran before."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean

# Rules whose jobs take minutes.
LONG = ("environment", "quantize", "train_sapo", "ask_target", "calibrate", "answer", "generate")
ALONE = frozenset({"ask_target", "calibrate", "answer", "generate"})  # rules whose jobs take the whole machine


def job_seconds(folder: Path) -> dict[str, float]:
    """Mean seconds of a job per rule, from Snakemake's benchmark files `folder`/<rule>[/...].tsv; {} without any."""
    by_rule: dict[str, list[float]] = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        with path.open(encoding="utf-8") as file:
            rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
            by_rule.setdefault(rule, []).extend(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
    return {rule: mean(seconds) for rule, seconds in by_rule.items() if seconds}


def added_seconds(seconds: Mapping[str, float], cores: int) -> dict[str, float]:
    """By how many seconds a job of each rule makes a run longer, on `cores` cores."""
    return {rule: time / (1 if rule in ALONE else cores) for rule, time in seconds.items()}


def minutes(waiting: Mapping[str, int], seconds: Mapping[str, float], cores: int) -> float:
    """Expected minutes of the waiting jobs of rules with known times, on `cores` cores."""
    added = added_seconds(seconds, cores)
    return sum(count * added.get(rule, 0.0) for rule, count in waiting.items()) / 60


def announcement(waiting: Mapping[str, int], own: Mapping[str, float], kept: Mapping[str, float], cores: int) -> str:
    """What is going to run and about how long it takes, in a few lines.

    `waiting`: jobs by rule; `own`: seconds of a job by rule, of this machine's earlier runs; `kept`: those of this
    repository (workflow/resources/seconds.yaml), which stand in where a rule has none of its own.
    """
    lines = [f"To do: {_counted(waiting)}."]
    seconds = {**kept, **own}
    if known := [rule for rule in waiting if rule in seconds]:
        by = _runs(known, own)
        lines.append(f"About {max(1, round(minutes(waiting, seconds, cores)))} min on {cores} cores, by {by}.")
    if unknown := [rule for rule in waiting if rule in LONG and rule not in seconds]:
        lines.append(f"No times are known yet of: {', '.join(unknown)}.")
    return "\n".join(lines)


def _counted(waiting: Mapping[str, int]) -> str:
    """`2 quantize, 12 train_sapo and 31 short jobs`."""
    long = [f"{waiting[rule]} {rule}" for rule in LONG if waiting.get(rule)]
    short = sum(count for rule, count in waiting.items() if rule not in LONG)
    words = [", ".join(long)] if long else []
    return " and ".join([*words, *([f"{short} short job{'s' if short > 1 else ''}"] if short else [])])


def _runs(rules: Iterable[str], own: Mapping[str, float]) -> str:
    """Whose runs the times of these rules are from."""
    whose = {rule in own for rule in rules}
    if whose == {True}:
        return "this machine's own earlier runs"
    return "times kept in this repository" if whose == {False} else "earlier runs and times kept in this repository"
