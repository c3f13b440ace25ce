"""The paper's numbers beside what theory and this run say, and what no schedule can beat on every measured cell."""

from pathlib import Path
from typing import Any

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.published import Published, PublishedSpeedup, load_published
from dreamr.studies.consistency.bounds import against_bound, refuse_broken
from dreamr.studies.consistency.schedules import best_speedup, hidden_acceptance

COSTS = (0.0, 0.05, 0.1)  # of a draft's step over a target's


def consistency(published: Path) -> pd.DataFrame:
    """What each speed-up asks for, if acceptance counts the verified steps: `needed_C` is how many times as long as the
    method's answers the target's own have to be where a draft's step costs C of a target's; 1 or less asks for nothing.

    With free drafts verdicts are free too. `hidden_acceptance` is how many of the verified steps may have been accepted
    if acceptance counts the drafted ones; a sequential method drops none, so both readings agree.
    """
    numbers = load_published(published)
    return pd.DataFrame([_line(numbers, speedup) for speedup in numbers.speedups])


def _line(numbers: Published, claimed: PublishedSpeedup) -> dict[str, Any]:
    window = numbers.window.value if claimed.schedule == "parallel" else 1
    hidden = hidden_acceptance(claimed.acceptance, window)
    bounds = {c: best_speedup(claimed.schedule, claimed.acceptance, c, numbers.verdict if c else 0.0) for c in COSTS}
    return {
        **claimed.model_dump(),
        "bound": bounds[0.0],
        **{f"needed_{c:g}": claimed.speedup / bound for c, bound in bounds.items()},
        "hidden_acceptance": hidden,
        "hidden_bound": best_speedup(claimed.schedule, hidden),
    }


def bound(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """How much of an answer's time the target needs for its own tokens; more than that is a UserError."""
    table = against_bound(rows, job)
    refuse_broken(table)
    return table
