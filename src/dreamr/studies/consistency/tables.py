"""The paper's numbers beside what theory and this run say, and what no schedule can beat on every measured cell."""

from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.closed_forms import best_speedup
from dreamr.statistics.published import Published, PublishedSpeedup, load_published
from dreamr.studies.consistency.bounds import against_bound, refuse_broken
from dreamr.studies.consistency.schedules import hidden_acceptance, largest_cost

COSTS = (0.0, 0.05, 0.1, 0.3, 0.45, 0.8)  # of a draft's step over a target's


def consistency(published: Path) -> pd.DataFrame:
    """What each speed-up asks for, if acceptance counts the verified steps: `needed_C` is how many times as long as the
    method's answers the target's own have to be where a draft's step costs C of a target's; 1 or less asks for nothing.

    With free drafts verdicts are free too, elsewhere a sequential method waits for one of the assumed cost `verdict` a
    step. `needed_decoding` is that at the C of the first pair of `decoding`. `largest_cost` is the C up to which none
    is needed; unknown where free drafts need something. `hidden_acceptance` is how many of the verified steps may have
    been accepted if acceptance counts the drafted ones; a sequential method drops none, so both readings agree.
    """
    numbers = load_published(published)
    return pd.DataFrame([_line(numbers, speedup) for speedup in numbers.speedups])


def _line(numbers: Published, claimed: PublishedSpeedup) -> dict[str, Any]:
    window = numbers.window.value if claimed.schedule == "parallel" else 1
    hidden = hidden_acceptance(claimed.acceptance, window)
    verdict = numbers.verdict if claimed.schedule == "sequential" else 0.0
    costs = {f"{c:g}": c for c in COSTS} | {"decoding": numbers.decoding[0].cost}
    bounds = {
        name: best_speedup(claimed.schedule, claimed.acceptance, c, verdict if c else 0.0) for name, c in costs.items()
    }
    most = largest_cost(claimed.schedule, claimed.acceptance, claimed.speedup, verdict)
    return {
        **claimed.model_dump(),
        "verdict": verdict,
        "bound": bounds["0"],
        **{f"needed_{name}": claimed.speedup / bound for name, bound in bounds.items()},
        "largest_cost": most if most > 0 else nan,
        "hidden_acceptance": hidden,
        "hidden_bound": best_speedup(claimed.schedule, hidden),
    }


def decoding(published: Path) -> pd.DataFrame:
    """What a draft's step costs of a target's (`c`) if decoding is bound by reading weights: an assumption, by pair.

    GB of weights on each device, and c as their ratio, for steps of as many tokens; `c_held` by all that the plan says
    lies on each GPU.
    """
    rows = load_published(published).decoding
    return pd.DataFrame(
        {
            "text": one.text,
            **{f"{name}_{key}": value for name in ("draft", "target") for key, value in getattr(one, name)},
            "draft_gb": one.draft.gb,
            "target_gb": one.target.gb,
            "c": one.cost,
            "c_held": one.held_cost,
        }
        for one in rows
    )


def bound(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """How much of an answer's time the target needs for its own tokens; more than that is a UserError."""
    table = against_bound(rows, job)
    refuse_broken(table)
    return table
