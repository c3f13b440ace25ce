"""Say what a run will take before it is started: jobs, tokens, hours, and memory of each GPU, against the limits.

    .venv/bin/python -m dreamr.cli.plan --configfile config/paper.yaml

Everything is an estimate from `estimates` in the configuration, where each number has its source. Snakemake refuses a
plan beyond its limits (`resources`) by the same estimates.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby

from dreamr.cli.common import BASE, add_configfile, command_parser
from dreamr.config import PER_CLUSTER, Config, HubModel
from dreamr.planning.budget import HOUR, Estimate, estimates, known
from dreamr.planning.costs import size, weights_gb
from dreamr.planning.limits import LIMITED, refuse_excess
from dreamr.planning.memory import Holding, fullest, holdings
from dreamr.planning.plan import Plan
from dreamr.planning.reading import read
from dreamr.runtime.endings import worded
from dreamr.statistics.power import non_inferiority_power


@worded()
def main(arguments: Sequence[str] | None = None) -> None:
    plan = Plan(read([BASE, *parser().parse_args(arguments).configfile]))
    print(*lines(plan), sep="\n", flush=True)
    refuse_excess(plan)


def lines(plan: Plan) -> Iterator[str]:
    """The whole plan as text."""
    jobs = list(estimates(plan))
    yield f"{plan.config.title}: by `estimates` in the configuration; nothing was run for this."
    yield ""
    yield from time_table(plan.config, jobs)
    if trainings := {job.models: job for job in jobs if job.batches}:
        yield ""
        yield from batch_table(list(trainings.values()))
    if parts := holdings(plan):
        yield ""
        yield from memory_table(plan, parts)
    yield ""
    yield from power(plan)
    yield ""
    yield from totals(plan, jobs)


def time_table(config: Config, jobs: Sequence[Estimate]) -> Iterator[str]:
    """Jobs of a rule on the same models in one line: how many, and the longest of them against its limit."""
    yield f"{'':47}{'jobs':>5}{'Mtokens':>11}{'most h':>8}{'limit':>7}{'GPUs':>6}{'GPU h':>8}"
    kinds: dict[tuple[str, str], list[Estimate]] = {}
    for job in jobs:
        kinds.setdefault((job.rule, job.models), []).append(job)
    for (rule, models), alike in kinds.items():
        hours, limit = max(job.seconds for job in alike) / HOUR, config.resources[LIMITED[rule]].hours
        tokens, spent = sum(job.tokens for job in alike) / 1e6, sum(job.seconds * job.gpus for job in alike) / HOUR
        counts = f"{len(alike):5}{tokens:11,.2f}{hours:8,.2f}{limit:7g}{alike[0].gpus:6}{spent:8,.1f}"
        yield f"{f'{rule:11}{models}':47}{counts}"


def batch_table(trainings: Sequence[Estimate]) -> Iterator[str]:
    """What a batch of a training takes its time for."""
    yield f"{'Seconds of a batch':47}{'batches':>8}{''.join(f'{name:>12}' for name in trainings[0].parts)}"
    for job in trainings:
        parts = "".join(f"{seconds:12,.1f}" for seconds in job.parts.values())
        yield f"{f'{job.rule:11}{job.models}':47}{job.batches:8,}{parts}"


def memory_table(plan: Plan, parts: Sequence[Holding]) -> Iterator[str]:
    """Of each kind of job, which GPUs each engine and the ranks take, what they hold there, and the fullest GPU."""
    yield "GB of each GPU, weights + room for a cache (answers at once); of ranks, what is trained + activations"
    yield f"{'':47}{'target':22}{'drafts, n-gram':22}{'ranks':16}most on a GPU"
    for (rule, models), held in groupby(parts, key=lambda part: (part.rule, part.models)):
        job, kind = list(held), plan.config.estimates.rules[LIMITED[rule]]
        cells = [_cell([part for part in job if part.holder == holder]) for holder in ("target", "draft", "ranks")]
        most = f"{fullest(job)[1]:.0f} of {plan.config.estimates.devices[kind].memory_gb:g} ({kind})"
        yield f"{f'{rule:11}{models}':47}{cells[0]:22}{cells[1]:22}{cells[2]:16}{most}"


def _cell(parts: Sequence[Holding]) -> str:
    """What one or several equal engines hold: `2 x 4-5: 2+5 (20)`."""
    if not parts:
        return ""
    part, several = parts[0], f"{len(parts)} x " if len(parts) > 1 else ""
    room = "" if part.answers is None else f" ({part.answers:.0f})"
    return f"{several}{_places(part.gpus)}: {part.weights_gb:.1f}+{part.rest_gb:.1f}{room}"


def _places(gpus: Sequence[int]) -> str:
    """GPUs as `0-3` or `1,3`; an engine behind a URL has none."""
    first, *others = [*gpus] or [-1]
    if others and others[-1] - first == len(others):
        return f"{first}-{others[-1]}"
    return ",".join(map(str, gpus)) or "url"


def power(plan: Plan) -> Iterator[str]:
    """How surely a harmless method will be found to be so, all pairs and benchmarks together."""
    config = plan.config
    per_cluster = {name: PER_CLUSTER.get(config.benchmarks[name].adapter, 1) for name in config.asked}
    clusters = sum(round(known(plan, name) / each) for name, each in per_cluster.items())
    margin, spread, confidence = config.statistics.margin, config.estimates.spread, config.statistics.confidence
    yield f"With {clusters:,} problems, whose change of accuracy has a standard deviation of {spread:g} (an estimate):"
    for change in (0.0, -margin / 3, -margin / 2):
        found = non_inferiority_power(clusters, spread, change, margin, confidence)
        yield (
            f"a true change of {100 * change:+.1f} points is found to cost less than {100 * margin:g} points with a "
            f"probability of {found:.2f}."
        )


def totals(plan: Plan, jobs: Sequence[Estimate]) -> Iterator[str]:
    """Downloads, and everything in sum."""
    fetched = [name for name in plan.models["fetch"] if isinstance(plan.config.models[name], HubModel)]
    if fetched:
        yield f"To download: {len(fetched)} models, {sum(weights_gb(size(plan, name)) for name in fetched):,.0f} GB."
    hours = sum(job.seconds for job in jobs) / HOUR
    yield f"One job after the other: {hours:,.1f} hours."
    if plan.config.device == "cuda":
        spent = {rule: sum(job.seconds * job.gpus for job in jobs if job.rule == rule) / HOUR for rule in LIMITED}
        shares = ", ".join(f"{rule} {hours:,.1f}" for rule, hours in spent.items())
        yield f"GPU hours: {sum(spent.values()):,.1f} ({shares})."


def parser() -> argparse.ArgumentParser:
    described = command_parser("plan", __doc__)
    add_configfile(described)
    return described


if __name__ == "__main__":
    main()
