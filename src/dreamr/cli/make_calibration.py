"""Write problems like those of the micro benchmarks, for thresholds to be calibrated on.

    dreamr make-calibration --out resources/micro-calibration --spec '{"seed": 1, "problems": 2000,
        "benchmarks": ["mathverse", "mmbench", "realworldqa", "mmmu"]}'

Each benchmark gets a folder with <split>.parquet (images inside) and truth.jsonl. Its problems come from a stream of
random numbers of their own, and are in no benchmark and no training set. The same spec gives the same rows.
"""

from pathlib import Path

from dreamr.cli.common import read_spec
from dreamr.micro.calibration import write_problems
from dreamr.planning.jobs import MakeCalibrationJob
from dreamr.runtime.endings import exit_on_user_error


@exit_on_user_error()
def main(*, spec: str, out: Path) -> None:
    """Write all of them.

    Args:
        spec: JSON of a MakeCalibrationJob: seed, benchmarks, and how many problems in all
        out: folder that gets one folder per benchmark
    """
    job = read_spec(MakeCalibrationJob, spec)
    write_problems(out, job.benchmarks, job.problems, job.seed)
