"""What Snakemake prints in the terminal: `logger: dreamr` in a profile. Snakemake finds it by the name of this package.

Jobs are told in a line each (`dreamr.runtime.terminal`); all else is printed as Snakemake prints it: its own errors,
dry runs, and the whole block of a failed job with its log where --show-failed-logs asks for that.
"""

import os
import sys
from logging import LogRecord
from pathlib import Path

from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from dreamr.runtime.causes import RUN
from dreamr.runtime.terminal import Terminal

# Said anew with every job, or said better by the lines of jobs and the summary.
NOISE = (
    "Select jobs to execute...",
    "Exiting because a job execution failed.",
    "WorkflowError:\nAt least one job did not complete successfully.",
    "RuleException:\nCalledProcessError in file",
)


class LogHandler(LogHandlerBase):
    """Prints a run's lines."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        stream = sys.stdout if self.common_settings.stdout else sys.stderr
        self._snakemake = ColorizingTextHandler(nocolor=self.common_settings.nocolor, stream=stream)
        self._terminal = Terminal()
        self._over = False

    def emit(self, record: LogRecord) -> None:
        """Print what this record tells. A fault here is told, and ends neither the run nor what is told later."""
        try:
            self._print(record)
        except Exception:
            self.handleError(record)

    def _print(self, record: LogRecord) -> None:
        lines = None if self.common_settings.dryrun else self._lines(record)
        for line in lines or ():
            self._snakemake.stream.write(self._snakemake.decorate(record, line) + "\n")
        self._snakemake.flush()
        whole = getattr(record, "event", None) == LogEvent.JOB_ERROR and self.common_settings.show_failed_logs
        if lines is None or whole:
            self._snakemake.setFormatter(self.formatter)
            self._snakemake.emit(record)

    def _lines(self, record: LogRecord) -> list[str] | None:
        """What is told of a job, None for what is printed as usual."""
        told = vars(record)
        match told.get("event"):
            case LogEvent.RUN_INFO:
                self._terminal.total = told["stats"]["total"]
                self._terminal.forecast.jobs = {rule: n for rule, n in told["stats"].items() if rule != "total"}
            case LogEvent.JOB_INFO:
                return [self._terminal.started(told["jobid"], told["rule_name"], told["wildcards"], told["output"])]
            case LogEvent.JOB_STARTED:
                return []
            case LogEvent.JOB_FINISHED:
                self._terminal.finished(told["job_id"])
                return []
            case LogEvent.PROGRESS:
                return self._terminal.progressed(told["done"], told["total"])
            case LogEvent.JOB_ERROR:
                folder = os.environ.get(RUN)  # known once the workflow is read
                self._terminal.causes = Path(folder) if folder else None
                return [self._terminal.failed(told["jobid"], told["rule_name"], told["log"], told["rule_msg"])]
            case None | LogEvent.ERROR if record.getMessage().startswith(NOISE):
                return []
        return None

    def close(self) -> None:
        """The run is over, and all else is said: Snakemake calls this last, and Python once more at its end."""
        for line in [] if self._over else self._terminal.summary():
            print(line, file=self._snakemake.stream, flush=True)
        self._over = True
        super().close()
