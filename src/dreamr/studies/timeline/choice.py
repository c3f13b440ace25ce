"""The question that is shown: its figures and its words are of the same."""

from collections import Counter
from collections.abc import Sequence

from dreamr.config import NO_DRAFT
from dreamr.traces import Trace


def side_by_side(traces: Sequence[Trace], pairs: Sequence[tuple[str, str]], reference: str) -> list[Trace]:
    """One question of the first pair under every method, by answers given alone after the usual trainings.

    Of those that most methods answered, and where the reference took and replaced a step, the one of middling speed-up.
    """
    cells = [*pairs[:1], *((target, NO_DRAFT) for target, _ in pairs[:1])]
    timed = [row for row in traces if row.mode == "alone" and row.replicate == 0 and not row.refusal]
    rows = [row for row in timed if (row.target, row.draft) in cells]
    ours = [row for row in rows if row.method == reference]
    if not ours:
        return []
    answered = Counter((row.benchmark, row.question) for row in rows)

    def telling(row: Trace) -> tuple[bool, int]:
        return 0 < row.accepted < len(row.steps), answered[row.benchmark, row.question]

    best = [row for row in ours if telling(row) == max(map(telling, ours))]
    chosen = sorted(best, key=_speedup)[len(best) // 2]
    return [row for row in rows if (row.benchmark, row.question) == (chosen.benchmark, chosen.question)]


def _speedup(trace: Trace) -> float:
    return (trace.baseline_seconds or trace.seconds) / trace.seconds
