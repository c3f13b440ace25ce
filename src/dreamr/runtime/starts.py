"""The log of a job that may start again, after a preemption or a dead engine: all starts of one submission are in it.

Snakemake removes a job's log before the job starts, so the log is a link to a file of which Snakemake knows nothing.
"""

from collections.abc import Mapping

MARK = "==== started "  # begins the line above each start: when, where, which start of which job
RESTARTS = "DREAMR_RESTARTS"  # Slurm's SLURM_RESTART_COUNT, which the executor withholds from a job's commands
SUFFIX = ".starts"  # of the file behind a log's name
# For any shell: `begin_log LOG` makes LOG go on where an earlier start of the same job has ended, else anew.
BEGIN = f"""\
begin_log() {{
    if [ "${{{RESTARTS}:-0}}" = 0 ]; then rm -f "$1{SUFFIX}"; fi
    job="${{SLURM_JOB_ID:+, Slurm job $SLURM_JOB_ID, restart ${{{RESTARTS}:-0}}}}"
    echo "{MARK}$(date +'%F %T') on $(uname -n)$job" >> "$1{SUFFIX}"
    ln -sf "$(basename "$1"){SUFFIX}" "$1"
}}
begin_log"""


def restarts(environment: Mapping[str, str]) -> str:
    """How often Slurm has put this job back into the queue, by the environment of one of its processes."""
    return environment.get("SLURM_RESTART_COUNT") or environment.get(RESTARTS) or "0"
