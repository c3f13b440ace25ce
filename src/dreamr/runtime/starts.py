"""The line above each start in the log of a job that may start again, after a preemption or a dead engine."""

from collections.abc import Mapping

MARK = "==== started "
RESTARTS = "DREAMR_RESTARTS"  # Slurm's SLURM_RESTART_COUNT, which the executor withholds from a job's commands
_OF_SLURM = f"${{SLURM_JOB_ID:+, Slurm job $SLURM_JOB_ID, restart ${{{RESTARTS}:-0}}}}"
LINE = f"""echo "{MARK}$(date +'%F %T') on $HOSTNAME{_OF_SLURM}" """.strip()  # for bash


def restarts(environment: Mapping[str, str]) -> str:
    """How often Slurm has put this job back into the queue, by the environment of one of its processes."""
    return environment.get("SLURM_RESTART_COUNT") or environment.get(RESTARTS) or "0"
