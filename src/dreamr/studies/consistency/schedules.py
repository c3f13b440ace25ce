"""The most that schedules can gain, and what acceptance may stand for."""

from dreamr.statistics.published import Schedule


def best_speedup(schedule: Schedule, acceptance: float, cost: float = 0.0, verdict: float = 0.0) -> float:
    """The most that a schedule can gain without token-level speculation, with answers of equal length and equal steps.

    In units of a target's step: `cost` of a draft's, `verdict` of a verdict. A sequential schedule pays a draft and a
    verdict a step and the target's step for each rejected one. A parallel one, without a window, pays a draft for each
    accepted step and the target's for each rejected one; its verdicts are taken as free.
    """
    rejected = 1 - acceptance
    return 1 / (cost + verdict + rejected if schedule == "sequential" else cost * acceptance + rejected)


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
