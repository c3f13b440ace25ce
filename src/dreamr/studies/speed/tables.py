"""Speed: times of questions answered alone, each beside the target by itself, and what devices they hold."""

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.devices import devices
from dreamr.statistics.frame import ALL, KEYS, alone
from dreamr.statistics.intervals import Quantity, mean, ratio, share, times
from dreamr.statistics.pooling import pools, tabulate
from dreamr.studies.speed.factors import FEWER_TOKENS, split, time_per_token

__all__ = ["background", "speed", "split"]
SPEED: dict[str, Quantity] = {
    "speedup": times("baseline_seconds", "seconds"),
    "seconds": mean("seconds"),
    "baseline_seconds": mean("baseline_seconds"),
    "tokens": mean("tokens_by_target"),
    "seconds_per_token": ratio("seconds", "tokens_by_target"),
    "busy_device_seconds": mean("busy_device_seconds"),
    "speedup_per_busy_device": times("baseline_device_seconds", "busy_device_seconds"),
    "held_device_seconds": mean("held_device_seconds"),
    "speedup_per_held_device": times("baseline_device_seconds", "held_device_seconds"),
    # speed-up = fewer_tokens x time_per_token
    "fewer_tokens": FEWER_TOKENS,
    "time_per_token": time_per_token(),
    "same_text": share("same_text"),
}


def speed(rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Times of questions answered alone, each beside a target-only run of the same question.

    Device seconds are seconds times devices, of both engines together: *busy* ones count the time in which an engine
    had work, *held* ones the whole answer, since a device that is reserved and idles is not free. `left_out` counts the
    timed questions that a refusal took from all methods of the same target and draft. Where engines share a GPU,
    `shared_device` says so of the methods that use both.
    """
    timed = alone(rows)
    held = devices(timed, job)
    columns = {
        "busy_device_seconds": held.target * timed.target_busy + held.draft * timed.draft_busy,
        "held_device_seconds": (held.target + held.draft) * timed.seconds,
        "baseline_device_seconds": held.alone * timed.baseline_seconds,
    }
    table = tabulate(timed.assign(**columns), job, SPEED)
    asked = pools(rows[rows["mode"] == "alone"], job)
    left_out = [key | {"left_out": int(answers.count("untimed"))} for key, answers in asked]
    table = table.merge(pd.DataFrame(left_out, columns=[*KEYS, "left_out"]), how="left", on=KEYS)
    return table.assign(shared_device=_shared(table, job)) if job.sharing else table


def _shared(table: pd.DataFrame, job: SummariseJob) -> list[str | None]:
    """Of each row whether both engines work, and share a GPU; of a pool, whether those of one of its pairs do."""
    both = {name for name, method in job.methods.items() if method.needs_target and method.needs_draft}
    kinds = [((target, ALL), (draft, ALL)) for target, draft in job.sharing]
    keys = zip(table.method, table.target, table.draft, strict=True)
    return [
        "shared device"
        if method in both and any(target in targets and draft in drafts for targets, drafts in kinds)
        else None
        for method, target, draft in keys
    ]


def background(rows: pd.DataFrame) -> pd.DataFrame:
    """What other processes did to the machine while answers were timed, by mode: alone, under load.

    `share` is the mean share of the machine's CPU time, between 0 and 1, and `greatest` that beside the most disturbed
    answer. A mode of which nothing is known has no row.
    """
    known = rows[rows.background.notna()].assign(background=lambda known: known.background.astype(float))
    shares = known.groupby("mode").background
    return shares.agg(n="size", share="mean", greatest="max").reset_index()
