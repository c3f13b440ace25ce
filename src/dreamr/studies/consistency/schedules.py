"""What a speed-up asks of a draft, and what acceptance may stand for."""

from dreamr.statistics.closed_forms import Schedule


def largest_cost(schedule: Schedule, acceptance: float, speedup: float, verdict: float = 0.0) -> float:
    """The cost of a draft's step up to which `best_speedup` reaches this; below 0 where not even free drafts do."""
    left = 1 / speedup - (1 - acceptance)
    return left - verdict if schedule == "sequential" else left / acceptance


def hidden_acceptance(shown: float, window: int) -> float:
    """The largest share of accepted among verified steps that shows as `shown` when counted among drafted ones.

    At most `window` drafts are unverified at once, so a rejection drops at most `window - 1` behind it. With b accepted
    of the verified, b / (1 - b) are accepted and 1 / (1 - b) + window - 1 drafted for each rejection.
    """
    return window * shown / (1 + (window - 1) * shown)
