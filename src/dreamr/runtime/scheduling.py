"""When Snakemake looks for jobs to start: when one has ended, and not all the time.

Snakemake 9.27 limits how many jobs start in a second, and so looks at all ready jobs again a second after each look.
The end of a job adds a look of its own, which is followed by others without an end. After 60 jobs it looks 60 times a
second (issue 3955 of Snakemake). With 90 jobs ready that took a fifth of a core beside the answers that were timed.
"""

from typing import Any

USUAL = (100, 1)  # jobs, seconds: Snakemake's own limit where none is given


def look_when_a_job_ends(scheduler: Any) -> None:
    """Lift the usual limit of a JobScheduler, which starts too few jobs at once ever to reach it; keep a given one."""
    limiter = scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == USUAL:
        scheduler.job_rate_limiter = None
