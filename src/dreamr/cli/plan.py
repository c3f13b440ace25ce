"""Say what a run will take before it is started: jobs, tokens, hours, and memory of each GPU, against the limits.

    .venv/bin/dreamr plan --configfile config/paper.yaml --profile profiles/slurm

Everything is an estimate from `estimates` in the configuration, where each number has its source. Snakemake refuses a
plan beyond its limits (`resources`) by the same estimates. Where some have a low and a high value too, a plan is
refused by the middle, and shown at both ends: with all of them where it takes less, and where it takes more. With the
profile of a cluster the plan says how often jobs reach the time limit of their partition, and what whole nodes are
billed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import wrap

from dreamr.cli.common import BASE, Overlays
from dreamr.config import NO_DRAFT, HubModel, Range
from dreamr.planning.budget import Estimate, estimates
from dreamr.planning.costs import size, weights_gb
from dreamr.planning.doubts import doubts
from dreamr.planning.ends import Ends, ends, total_hours
from dreamr.planning.kept import kept_answers
from dreamr.planning.limits import refuse_excess
from dreamr.planning.memory import Holding, fullest, holdings
from dreamr.planning.plan import Plan
from dreamr.planning.questions import problems
from dreamr.planning.reading import read
from dreamr.planning.restarts import billed_gpus, restarts, total_seconds
from dreamr.planning.site import HOUR, LIMITED, Limit, read_site
from dreamr.runtime.endings import exit_on_user_error
from dreamr.statistics.power import half_width, non_inferiority_power

WIDTH = 120  # of lists of names
WIDEST = 3  # estimates that are shown for how much they move the plan


@exit_on_user_error()
def main(*, configfile: Overlays = (), profile: Path | None = None) -> None:
    """Print the plan; a UserError where it is beyond a limit.

    Args:
        profile: folder of a cluster's, as snakemake takes it; it says time limits of partitions and GPUs of nodes
    """
    plan = Plan(read([BASE, *configfile]), read_site(profile) if profile else {})
    print(*lines(plan), sep="\n", flush=True)
    refuse_excess(plan)


def lines(plan: Plan) -> Iterator[str]:
    """The whole plan as text."""
    jobs, both = list(estimates(plan)), ends(plan)
    yield f"{plan.config.title}: by `estimates` in the configuration; nothing was run for this."
    yield ""
    yield from time_table(plan, jobs, both)
    yield ""
    yield from pairs(plan)
    if trainings := {job.models: job for job in jobs if job.batches}:
        yield ""
        yield from batch_table(list(trainings.values()))
    if parts := holdings(plan):
        yield ""
        yield from memory_table(plan, parts, both)
    yield ""
    yield from power(plan)
    yield ""
    yield from totals(plan, jobs, both)
    yield from kept(plan)
    yield from doubts(plan.config)


def kept(plan: Plan) -> Iterator[str]:
    """How many of the answers are there already; nothing where no run has been."""
    found = kept_answers(plan)
    if found.present:
        yield f"Answers kept by earlier runs: {found.present} of {found.wanted} methods' files; they are taken up."
    if found.others:
        yield (
            f"{found.others} files in {plan.config.pathvars.results}/cells are of other settings or code, or in an "
            "older version's layout: this configuration does not take them up."
        )


def time_table(plan: Plan, jobs: Sequence[Estimate], both: Ends | None) -> Iterator[str]:
    """Jobs of a rule on the same models in one line: how many, and the longest of them against its limit."""
    on_cluster = f"{'restarts':>10}{'billed h':>10}" if plan.site else ""
    low_high = f"{'low':>9}{'high':>9}" if both else ""
    heads = f"{'most h':>8}{low_high}{'limit':>7}{'GPUs':>6}{'GPU h':>9}{low_high}{on_cluster}"
    yield f"{'':47}{'jobs':>5}{'Mtokens':>11}{heads}"
    others = [_kinds(estimates(end)) for end in both.plans] if both else []
    for kind, alike in _kinds(jobs).items():
        yield f"{f'{kind[0]:11}{kind[1]}':47}{_counts(plan, alike, [kinds[kind] for kinds in others])}"


def _kinds(jobs: Iterable[Estimate]) -> dict[tuple[str, str], list[Estimate]]:
    """Jobs by rule and models."""
    kinds: dict[tuple[str, str], list[Estimate]] = {}
    for job in jobs:
        kinds.setdefault((job.rule, job.models), []).append(job)
    return kinds


def _counts(plan: Plan, alike: Sequence[Estimate], at_ends: Sequence[Sequence[Estimate]]) -> str:
    """The numbers of a line: of the jobs, and their hours at both ends too."""
    limit, tokens = plan.limit(alike[0].rule), sum(job.tokens for job in alike) / 1e6
    mosts = [max(job.seconds for job in jobs) / HOUR for jobs in (alike, *at_ends)]
    spents = [sum(gpu_hours(plan, job) for job in jobs) for jobs in (alike, *at_ends)]
    counts = f"{len(alike):5}{tokens:11,.2f}{mosts[0]:8,.2f}{''.join(f'{most:9,.2f}' for most in mosts[1:])}"
    counts += f"{limit.seconds / HOUR:7g}{alike[0].gpus:6}{''.join(f'{spent:9,.1f}' for spent in spents)}"
    if plan.site:
        counts += f"{_restarts(alike, limit):>10}{sum(billed_hours(plan, job) for job in alike):10,.1f}"
    return counts


def pairs(plan: Plan) -> Iterator[str]:
    """The methods of each target and draft; pairs with the same methods together."""
    yield "Methods of each pair:"
    asked: dict[tuple[str, str], dict[str, None]] = {}
    for group in plan.groups:
        asked.setdefault((group.target, group.draft), {}).update(dict.fromkeys(plan.methods(group)))
    alike: dict[tuple[str, ...], list[str]] = {}
    for (target, draft), methods in asked.items():
        alike.setdefault((*methods,), []).append(target if draft == NO_DRAFT else f"{target} with {draft}")
    for together, names in alike.items():
        yield from wrap(
            f"{', '.join(names)}: {', '.join(together)}", WIDTH, subsequent_indent="  ", break_on_hyphens=False
        )


def gpu_hours(plan: Plan, job: Estimate) -> float:
    """Hours of a job's own GPUs, restarts included."""
    return total_seconds(plan, job) * job.gpus / HOUR


def billed_hours(plan: Plan, job: Estimate) -> float:
    """Hours of the GPUs that nobody else can have meanwhile, restarts included."""
    return total_seconds(plan, job) * billed_gpus(plan, job) / HOUR


def _restarts(jobs: Sequence[Estimate], limit: Limit) -> str:
    """The restarts of the job that needs most; `never` where one does not end."""
    counts = [restarts(job, limit) for job in jobs]
    return "never" if None in counts else str(max(count or 0 for count in counts))


def batch_table(trainings: Sequence[Estimate]) -> Iterator[str]:
    """What a batch of a training takes its time for."""
    yield f"{'Seconds of a batch':47}{'batches':>8}{''.join(f'{name:>12}' for name in trainings[0].parts)}"
    for job in trainings:
        parts = "".join(f"{seconds:12,.1f}" for seconds in job.parts.values())
        yield f"{f'{job.rule:11}{job.models}':47}{job.batches:8,}{parts}"


def memory_table(plan: Plan, parts: Sequence[Holding], both: Ends | None) -> Iterator[str]:
    """Of each kind of job, which GPUs each engine and the ranks take, what they hold there, and the fullest GPU."""
    yield "GB of each GPU, weights + room for a cache (answers at once); of ranks, what is trained + activations"
    yield f"{'':47}{'target':22}{'drafts, n-gram':22}{'ranks':16}most on a GPU"
    others = [_fullest(holdings(end)) for end in both.plans] if both else []
    for (rule, models), job in _by_models(parts):
        kind = plan.config.estimates.rules[LIMITED[rule]]
        cells = [_cell([part for part in job if part.holder == holder]) for holder in ("target", "draft", "ranks")]
        most = _with_ends(fullest(job)[1], [other[rule, models] for other in others], ".0f")
        of = f"{most} of {plan.config.estimates.devices[kind].memory_gb:g} ({kind})"
        yield f"{f'{rule:11}{models}':47}{cells[0]:22}{cells[1]:22}{cells[2]:16}{of}"


def _by_models(parts: Sequence[Holding]) -> Iterator[tuple[tuple[str, str], list[Holding]]]:
    """The holdings of each kind of job."""
    for kind, held in groupby(parts, key=lambda part: (part.rule, part.models)):
        yield kind, list(held)


def _fullest(parts: Sequence[Holding]) -> dict[tuple[str, str], float]:
    """GB on the fullest GPU of each kind of job."""
    return {kind: fullest(job)[1] for kind, job in _by_models(parts)}


def _with_ends(middle: float, at_ends: Sequence[float], form: str) -> str:
    """A number, and its ends behind it where they are others: `108 (107 to 109)`."""
    shown = [f"{number:{form}}" for number in (middle, *at_ends)]
    return shown[0] if len({*shown}) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"


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
    config, clusters = plan.config, sum(problems(plan.config).values())
    margin, spread, confidence = config.statistics.margin, config.estimates.spread, config.statistics.confidence
    ends = [spread.low, spread.high] if isinstance(spread, Range) else []
    reach = [100 * half_width(clusters, one, confidence) for one in (spread, *ends)]
    assumed = "an estimate" + (f", {ends[0]:g} to {ends[1]:g}" if ends else "")
    yield (
        f"With {clusters:,} problems, whose change of accuracy has a standard deviation of {spread:g} ({assumed}), its "
        f"interval is +-{_with_ends(reach[0], reach[1:], '.1f')} points:"
    )
    for change in (0.0, -margin / 3, -margin / 2):
        found = [non_inferiority_power(clusters, one, change, margin, confidence) for one in (spread, *ends)]
        yield (
            f"a true change of {100 * change:+.1f} points is found to cost less than {100 * margin:g} points with a "
            f"probability of {_with_ends(found[0], found[:0:-1], '.2f')}."
        )


def totals(plan: Plan, jobs: Sequence[Estimate], both: Ends | None) -> Iterator[str]:
    """Downloads, and everything in sum."""
    at_ends = both.plans if both else ()
    fetched = [name for name in plan.models["fetch"] if isinstance(plan.config.models[name], HubModel)]
    if fetched:
        yield f"To download: {len(fetched)} models, {sum(weights_gb(size(plan, name)) for name in fetched):,.0f} GB."
    hours, *others = (sum(total_seconds(plan, job) for job in some) / HOUR for some in (jobs, *map(estimates, at_ends)))
    yield f"One job after the other: {_with_ends(hours, others, ',.1f')} hours."
    if plan.config.device == "cuda":
        yield f"GPU hours: {_by_rule(jobs, lambda job: gpu_hours(plan, job))}."
    if plan.site:
        yield f"Restarts at time limits: {_by_rule(jobs, lambda job: restarts(job, plan.limit(job.rule)) or 0)}."
        yield f"GPU hours billed, whole nodes for timed answers: {_by_rule(jobs, lambda job: billed_hours(plan, job))}."
    if both:
        yield from widths(plan, both)


def widths(plan: Plan, both: Ends) -> Iterator[str]:
    """The plan's hours at both ends, and which estimates are why they are far apart."""
    unit = "GPU hours" if plan.config.device == "cuda" else "Hours"
    low, high = map(total_hours, both.plans)
    yield f"{unit} with all estimates where they take less: {low:,.1f}; where they take more: {high:,.1f}."
    yield f"{unit} with one estimate at its low and high value, the {WIDEST} that move them most:"
    for one in both.moved[:WIDEST]:
        key, hours = f"estimates.{'.'.join(one.key)}", f"{one.low_hours:,.1f} and {one.high_hours:,.1f}"
        yield f"  {f'{key}, {one.value.low:,g} and {one.value.high:,g}:':60} {hours}"


def _by_rule(jobs: Sequence[Estimate], number: Callable[[Estimate], float]) -> str:
    """A number of all jobs in sum, and by rule: `15,060.0 (train_sapo 7,110.3, ...)`."""
    planned = [rule for rule in LIMITED if any(job.rule == rule for job in jobs)]
    sums = {rule: sum(number(job) for job in jobs if job.rule == rule) for rule in planned}
    return f"{_shown(sum(sums.values()))} ({', '.join(f'{rule} {_shown(one)}' for rule, one in sums.items())})"


def _shown(number: float) -> str:
    """Counts as they are, hours with one digit behind the point."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.1f}"
