"""Snakemake's executor for Slurm, made to outlast a controller that is away and a queue that is full.

The executor (snakemake-executor-plugin-slurm 2.8) takes a refused submission for a failure of the job, forgets all jobs
where the queue cannot be read, and waits for ever for a job that Slurm no longer lists. What is used of it and of
Snakemake beyond their documentation is here, for the version that pyproject.toml pins.
"""

import re
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from itertools import chain, repeat
from pathlib import Path
from threading import Event
from time import time
from typing import Any

from snakemake_executor_plugin_slurm import Executor as SlurmExecutor
from snakemake_executor_plugin_slurm.job_status_query import (
    query_job_status,
    query_job_status_sacct,
    query_job_status_squeue,
)
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from dreamr.runtime.slurm import AWAY

# A limit on submitted jobs has a name of its own; the sentence about limits alone may mean others, which stay.
FULL = re.compile(r"(Assoc|QOS)\w*Submit\w*Limit")
LIMIT = re.compile(r"(Assoc|QOS)\w+Limit")
SOME_LIMIT = "job submit limit"
PAUSES = (10, 30, 60, 120, 300, 600)  # seconds between submissions that are refused; the last one again and again
LOOKS = 60  # seconds between looks at the queue, at most: some sites list an ended job for no longer
GROWTH = 10  # times the seconds before the first look that looks may be apart, for clusters of one's own
MISSED = 3  # looks that list a job no more before it counts as ended
CLOCKS = 60  # seconds by which the clocks of two machines may differ
RUNNING = ("CONFIGURING", "COMPLETING", "PENDING", "REQUEUED", "RESIZING", "RUNNING", "SUSPENDED")


def register() -> None:
    """Have Snakemake use this executor where it would use the plugin's own."""
    ExecutorPluginRegistry().get_plugin("slurm").executor = WaitingExecutor


def longest(first: float) -> float:
    """Seconds between two looks at the queue, at most; `first` is how many pass before the first one."""
    return min(LOOKS, GROWTH * first)


def may_pass(refusal: str) -> bool:
    """Whether what sbatch says is a matter of time: no controller, or as many jobs in the queue as one may have."""
    if AWAY.search(refusal) or FULL.search(refusal):
        return True
    return SOME_LIMIT in refusal and not LIMIT.search(refusal)


class WaitingExecutor(SlurmExecutor):
    """Submits until Slurm takes a job, and keeps every job in sight until it has ended."""

    def __post_init__(self, test_mode: bool = False) -> None:
        self._ending = Event()
        self._refusals: dict[Any, str] = {}  # of the jobs that are being submitted, "" of one that was taken
        self._submitted: dict[str, float] = {}
        self._missed: Counter[str] = Counter()
        self._reported: set[str] = set()
        super().__post_init__(test_mode)

    # -- submitting; the plugin does it in threads of its own

    def run_job(self, job: Any) -> None:
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            if self._ending.is_set():
                return self._not_submitted(job, "not submitted, as this run ends")
            self._refusals[job] = ""
            super().run_job(job)
            refusal = self._refusals.pop(job)
            if not refusal:
                return None
            if not may_pass(refusal):
                return self._not_submitted(job, refusal)
            self.logger.warning(f"{job}: not submitted, next try in {pause} s. {_first(refusal)}")
            self._ending.wait(pause)
        raise AssertionError("pauses never end")

    def _report_job_error_threadsafe(self, job_info: SubmittedJobInfo, msg: str) -> None:
        if job_info.job in self._refusals:
            self._refusals[job_info.job] = msg
        else:
            super()._report_job_error_threadsafe(job_info, msg)

    def _not_submitted(self, job: Any, msg: str) -> None:
        """Report a job that has not run, so that neither its outputs nor what is known of them are to be removed."""
        job.postprocess = _nothing
        super()._report_job_error_threadsafe(SubmittedJobInfo(job), msg)

    def report_job_submission(self, job_info: SubmittedJobInfo, *arguments: Any, **named: Any) -> None:
        self._submitted[job_info.external_jobid] = time()
        super().report_job_submission(job_info, *arguments, **named)

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        self._ending.set()
        super().cancel_jobs(active_jobs)

    # -- looking at the queue

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Yields all jobs that have not ended, whatever one look at the queue says."""
        if not active_jobs:  # as in the first look, which may come before __post_init__
            return
        await self._end_unlisted(active_jobs)
        left = [job for job in active_jobs if job.external_jobid not in self._reported]
        async for _ in super().check_active_jobs(left):
            pass  # what is not reported is still there, also where the queue could not be read
        first = self.workflow.executor_settings.init_seconds_before_status_checks
        grown = super().next_seconds_between_status_checks
        self.next_seconds_between_status_checks = min(longest(first), grown)
        for job in left:
            if job.external_jobid not in self._reported:
                yield job

    async def _end_unlisted(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Report the jobs that Slurm has ceased to list."""
        listed = await self._states(query_job_status_squeue)
        if listed is None:
            return
        for job in active_jobs:
            self._missed[job.external_jobid] = (
                0 if job.external_jobid in listed else self._missed[job.external_jobid] + 1
            )
        gone = [job for job in active_jobs if self._missed[job.external_jobid] >= MISSED]
        states = (await self._states(query_job_status_sacct) or {}) if gone else {}
        for job in gone:
            self._end(job, states.get(job.external_jobid, "").partition(" ")[0])

    async def _states(self, query: Any) -> Mapping[str, str] | None:
        """States by job, None where Slurm does not answer."""
        async with self.status_rate_limiter:
            states, _ = await query_job_status(query(self.run_uuid), self.logger)
        found: Mapping[str, str] | None = states
        return found

    def _end(self, job: SubmittedJobInfo, state: str) -> None:
        """Report a job by what the accounting says of it; where that says nothing, by its outputs."""
        if state in RUNNING:
            return
        if state == "COMPLETED" or (not state and self._has_written(job)):
            self.report_job_success(job)
        else:
            how = f"ended as {state}" if state else "is no longer known to Slurm, and its outputs were not written"
            self.report_job_error(job, msg=f"Slurm job {job.external_jobid} {how}. ")

    def _has_written(self, job: SubmittedJobInfo) -> bool:
        """Whether all outputs are there and are this submission's."""
        begun = self._submitted[job.external_jobid] - CLOCKS
        paths = [Path(output) for output in job.job.output]
        return all(path.exists() and path.stat().st_mtime >= begun for path in paths)

    def report_job_success(self, job_info: SubmittedJobInfo) -> None:
        self._reported.add(job_info.external_jobid)
        super().report_job_success(job_info)

    def report_job_error(self, job_info: SubmittedJobInfo, *arguments: Any, **named: Any) -> None:
        self._reported.add(job_info.external_jobid)
        super().report_job_error(job_info, *arguments, **named)


async def _nothing(**_: Any) -> None:
    """In the place of what Snakemake does with the outputs of a failed job."""


def _first(refusal: str) -> str:
    """What sbatch said, without the command that the plugin adds."""
    return refusal.partition("sbatch call:")[0].strip()
