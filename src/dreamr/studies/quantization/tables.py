"""What quantizing a target does to accuracy, time and speed-up."""

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import compare


def quantization(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Each quantized target against the model it was made from, wherever both ran the same method."""
    bases = {base: target for target, base in job.quantized.items()}
    full = rows[rows.target.isin(bases)].assign(target=lambda r: r.target.map(bases), against=lambda r: r.method)
    return compare(rows[rows.target.isin(job.quantized)], full, job, "unquantized")
