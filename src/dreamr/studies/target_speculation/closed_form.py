"""What theory expects of what the target writes ahead of a verdict."""

from dreamr.config import TargetSpeculation


def with_target_speculation(
    acceptance: float, cost: float, verdict: float, target_speculation: TargetSpeculation, continues: bool
) -> float:
    """Speed-up of FPSR by what the target writes ahead of a verdict, with equal steps and a window that never binds.

    `cost` and `verdict` are the time of a draft's step and of a verdict over that of a target's step. Nothing slows
    anything else, and a request costs nothing: so writing on behind an own step tells only without it.
    An accepted step takes `cost`. A rejected one ends with the target's version, begun with the step's prefix (all),
    once the step before is accepted (frontier), or with the rejection (none).
    """
    judged = cost + verdict  # from a step's prefix to the verdict on it
    at_once = max(1.0, judged)
    behind_accepted = {"all": at_once, "frontier": max(1 + verdict, judged), "none": 1 + judged}[target_speculation]
    behind_own = at_once if continues or target_speculation != "none" else 1 + judged
    rejected = acceptance * behind_accepted + (1 - acceptance) * behind_own
    return 1 / (acceptance * cost + (1 - acceptance) * rejected)
