"""Whether a plan stays within its limits: the hours of each rule's job, and the memory of each GPU.

Jobs of a cluster go on behind their time limit, so there only what makes no progress is too long.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from dreamr.errors import UserError
from dreamr.planning.budget import Estimate, estimates
from dreamr.planning.memory import Holding, fullest, holdings
from dreamr.planning.plan import Plan
from dreamr.planning.restarts import ends_in_time, restarts, room
from dreamr.planning.site import HOUR, LIMITED, Limit


def refuse_excess(plan: Plan) -> None:
    """A job that would be cut off, or would not fit its GPUs: UserError with how far beyond, and what to change."""
    if faults := [line for line in (*_too_long(plan), *too_large(plan)) if line]:
        lines = "\n".join(f"  - {line}" for line in faults)
        raise UserError(
            f"By the estimates in the configuration this cannot be done within its limits:\n{lines}\n"
            ".venv/bin/dreamr plan shows the whole plan. Where an estimate is wrong, correct it under `estimates`."
        )


def _too_long(plan: Plan) -> Iterator[str]:
    """Of each rule the longest job that never ends within its limit."""
    longest: dict[str, Estimate] = {}
    for job in estimates(plan):
        beyond = restarts(job, plan.limit(job.rule)) is None
        if beyond and (job.rule not in longest or job.seconds > longest[job.rule].seconds):
            longest[job.rule] = job
    for job in longest.values():
        limit = plan.limit(job.rule)
        if job.unit is None or not limit.goes_on:
            yield _beyond(plan, job, limit)
        elif ends_in_time(job, limit):
            yield _without_progress(plan, job, limit)
        else:
            yield _without_warning(job, limit)


def _beyond(plan: Plan, job: Estimate, limit: Limit) -> str:
    """A job that has to end within its limit, and does not."""
    hours, most = job.seconds / HOUR, limit.seconds / HOUR
    share = max(0.0, (limit.seconds - job.starting) / job.working)
    more = f"take a partition with {math.ceil(hours)}" if limit.of_site else f"raise that to {math.ceil(hours)}"
    return (
        f"{job.rule} ({job.models}) takes about {hours:,.1f} h, {hours - most:,.1f} h more than {_limit(job, limit)}: "
        f"{more}, or {_remedy(plan, job, share)}"
    )


def _without_progress(plan: Plan, job: Estimate, limit: Limit) -> str:
    """A job that is warned in each start before it has kept anything."""
    assert job.unit
    what, remedy = "the answer that takes longest", "lower generation.answer_tokens or generation.concurrency"
    if job.batches:
        steps, batch = plan.config.sapo.checkpoint_steps, job.working / job.batches
        what = f"a checkpoint's {steps} batches"
        remedy = f"lower sapo.checkpoint_steps to {max(1, math.floor(room(job, limit) / batch))}"
    needed = job.starting + job.unit
    hours = (needed + min(needed, plan.site[job.rule].site_warning)) / HOUR  # a warning takes no more than half
    return (
        f"{job.rule} ({job.models}) makes no progress within {_limit(job, limit)}: its start takes about "
        f"{job.starting / 60:,.0f} min and {what} {job.unit / 60:,.0f} min, and it is warned {limit.warning / 60:,.0f} "
        f"min ahead: {remedy}, or give it {math.ceil(10 * hours) / 10:g} h"
    )


def _without_warning(job: Estimate, limit: Limit) -> str:
    """A training that is ended before its last batch is."""
    assert job.batches
    batch = job.working / job.batches
    return (
        f"{job.rule} ({job.models}) is warned {limit.warning:,.0f} s ahead of {_limit(job, limit)}, and a batch takes "
        f"{batch:,.0f} s: raise the warning (site_warning, which is no more than half of the limit)"
    )


def _limit(job: Estimate, limit: Limit) -> str:
    """A time limit and where it is from."""
    hours = f"{limit.seconds / HOUR:g}"
    return f"the {hours} h of its partition" if limit.of_site else f"resources.{LIMITED[job.rule]}.hours ({hours})"


def _remedy(plan: Plan, job: Estimate, share: float) -> str:
    """What would bring a job down to this share of its work."""
    config, sapo = plan.config, plan.config.sapo
    if job.batches:
        prompts = math.floor(share * job.batches) * sapo.batch
        return (
            f"lower sapo.questions from {sapo.questions} to {math.floor(prompts / sapo.epochs)} or sapo.epochs from "
            f"{sapo.epochs:g} to {math.floor(10 * prompts / sapo.questions) / 10} or generation.answer_tokens "
            f"({config.generation.answer_tokens}), or give sapo.ranks and sapo.rollouts more GPUs"
        )
    if job.rule == "quantize":
        return f"lower awq.samples from {config.awq.samples} to {math.floor(share * config.awq.samples)}"
    return "divide its suite into more shards, time fewer questions (suites.*.alone), or lower generation.answer_tokens"


def too_large(plan: Plan) -> Iterator[str]:
    """Of each kind of job, engines without room for one context, ranks without a GPU each, and its fullest GPU.

    What fits is an empty line.
    """
    for _, parts in groupby(holdings(plan), key=lambda part: (part.rule, part.models)):
        job = list(parts)
        yield from (_without_room(plan, part) for part in job if part.lacking_tokens)
        yield from (_without_gpus(plan, part) for part in job if part.holder == "ranks")
        yield _overfull(plan, job)


def _without_room(plan: Plan, part: Holding) -> str:
    return (
        f"{part.rule} ({part.models}): the engine of the {part.holder} has {part.total_gb:.1f} GB of each GPU, "
        f"{part.weights_gb:.1f} of them for weights, and lacks {part.lacking_tokens:,.0f} tokens of one context: raise "
        f"its `memory` or `tensor_parallel`, or lower context_tokens ({plan.config.context_tokens})"
    )


def _without_gpus(plan: Plan, part: Holding) -> str:
    ranks = plan.config.sapo.ranks
    if len(part.gpus) == ranks:
        return ""
    return (
        f"{part.rule} ({part.models}): sapo.ranks is {ranks}, but there are {len(part.gpus)} GPUs for them: lower it, "
        "or raise resources.train.gpus"
    )


def _overfull(plan: Plan, job: Sequence[Holding]) -> str:
    rule, models = job[0].rule, job[0].models
    kind, (gpu, held) = plan.config.estimates.rules[LIMITED[rule]], fullest(job)
    memory = plan.config.estimates.devices[kind].memory_gb
    if memory is None or held <= memory:
        return ""
    ranks = ", raise sapo.ranks or lower sapo.micro_batch" if rule == "train_sapo" else ""
    return (
        f"{rule} ({models}): GPU {gpu} would hold {held:.1f} GB, {held - memory:.1f} GB more than the {memory:g} of "
        f"estimates.devices.{kind}: lower the engines' `memory`{ranks}"
    )
