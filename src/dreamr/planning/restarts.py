"""How often a job reaches its time limit before it is done, and what that costs.

A job that is warned goes back into the queue. It starts again, and goes on from the last checkpoint or answer that it
kept; what was begun behind that is done again.
"""

import math

from dreamr.planning.budget import Estimate
from dreamr.planning.plan import Plan
from dreamr.planning.site import Limit


def room(job: Estimate, limit: Limit) -> float:
    """Seconds of each start that a job can work before it is warned."""
    return limit.useful - job.starting


def restarts(job: Estimate, limit: Limit) -> int | None:
    """How many restarts a job needs; None where it never ends, since it cannot go on or keeps nothing of a start."""
    if job.working <= room(job, limit):
        return 0
    if job.unit is None or not limit.goes_on or not ends_in_time(job, limit):
        return None
    kept = max(0, math.floor(room(job, limit) / job.unit)) * job.unit
    return math.ceil((job.working - room(job, limit)) / kept) if kept else None


def ends_in_time(job: Estimate, limit: Limit) -> bool:
    """Whether what a job ends before it stops, which is a training's batch, passes between warning and limit."""
    return job.batches is None or job.working / job.batches <= limit.warning


def total_seconds(plan: Plan, job: Estimate) -> float:
    """All of a job, with what each restart loads again."""
    return job.seconds + (restarts(job, plan.limit(job.rule)) or 0) * job.starting


def billed_gpus(plan: Plan, job: Estimate) -> int:
    """The GPUs that a cluster counts: all of a node where a job has that to itself."""
    partition = plan.site.get(job.rule)
    return partition.site_gpus if job.alone and partition else job.gpus
