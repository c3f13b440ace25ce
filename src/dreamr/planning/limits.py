"""Whether a plan stays within its limits: the hours of each rule's job, and the memory of each GPU."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from dreamr.config import Planned
from dreamr.errors import UserError
from dreamr.planning.budget import HOUR, Estimate, estimates
from dreamr.planning.memory import Holding, fullest, holdings
from dreamr.planning.plan import Plan

# The rules that are planned, as `resources` names them.
LIMITED: dict[str, Planned] = {"train_sapo": "train", "quantize": "quantize", "generate": "generate"}


def refuse_excess(plan: Plan) -> None:
    """A job that would be cut off, or would not fit its GPUs: UserError with how far beyond, and what to change."""
    if found := [line for line in (*_too_long(plan), *too_large(plan)) if line]:
        lines = "\n".join(f"  - {line}" for line in found)
        raise UserError(
            f"By the estimates in the configuration this cannot be done within its limits:\n{lines}\n"
            "python -m dreamr.cli.plan shows the whole plan. Where an estimate is wrong, correct it under `estimates`."
        )


def _too_long(plan: Plan) -> Iterator[str]:
    """Of each rule the longest job, if that is beyond the limit."""
    longest: dict[str, Estimate] = {}
    for job in estimates(plan):
        if job.rule not in longest or job.seconds > longest[job.rule].seconds:
            longest[job.rule] = job
    for rule, job in longest.items():
        hours, limit = job.seconds / HOUR, plan.config.resources[LIMITED[rule]].hours
        if hours > limit:
            share = max(0.0, (limit * HOUR - job.starting) / job.working)
            yield (
                f"{rule} ({job.models}) takes about {hours:,.1f} h, {hours - limit:,.1f} h more than "
                f"resources.{LIMITED[rule]}.hours ({limit:g}): raise that to {math.ceil(hours)}, or "
                f"{_remedy(plan, job, share)}"
            )


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
        f"{rule} ({models}): GPU {gpu} would hold {held:.0f} GB, {held - memory:.0f} GB more than the {memory:g} of "
        f"estimates.devices.{kind}: lower the engines' `memory`{ranks}"
    )
