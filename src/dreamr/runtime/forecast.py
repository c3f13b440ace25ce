"""How far a run is, what its first answers show, and what others did to the machine meanwhile, for the terminal."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

SETTLED = 60.0  # expected seconds of finished jobs from which on this run's own pace counts (our decision)
LONG = 5.0  # expected seconds of a job that is worth a word about the time
MOST_BACKGROUND = 0.05  # share of the machine's CPU time that others may take from timed answers (our decision)

# Expected seconds that a job of each rule adds to this run: the workflow enters them before the first job.
EXPECTED: dict[str, float] = {}


@dataclass
class Forecast:
    """The share of a run's time that is over, by the seconds that its jobs are expected to take.

    The time left goes by the pace of this run so far. A job under way counts half, which is right on average.
    """

    jobs: Mapping[str, int] = field(default_factory=dict)  # of this run, by rule
    done: Counter[str] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)

    def words(self, rule: str, elapsed: float) -> str:
        """`, 31 % of the time, about 26 min left`; nothing behind a job of a moment, or where no times are known."""
        total, over = _expected(self.jobs), _expected(self.done)
        if EXPECTED.get(rule, 0.0) < LONG or over >= total:
            return ""
        pace = elapsed / (over + _expected(self.running) / 2) if over >= SETTLED else 1.0
        return f", {over / total:.0%} of the time, about {max(1, round((total - over) * pace / 60))} min left"


def _expected(jobs: Mapping[str, int]) -> float:
    return sum(count * EXPECTED.get(rule, 0.0) for rule, count in jobs.items())


def speedups(traces: Path) -> str:
    """How much faster than the target the methods with verdicts were that a file of traces has times of; "" if none.

    Ratios of total times, without intervals: the page has those.
    """
    own: Counter[str] = Counter()
    target: Counter[str] = Counter()
    verified: Counter[str] = Counter()
    questions = set()
    with traces.open(encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            if row["mode"] == "alone" and row["baseline_seconds"]:
                own[row["method"]] += row["seconds"]
                target[row["method"]] += row["baseline_seconds"]
                verified[row["method"]] += row["verified"]
                questions.add((row["benchmark"], row["question"]))
    ratios = ", ".join(f"{method} {target[method] / own[method]:.2f}" for method in own if verified[method])
    return f"times as fast as the target, on {len(questions)} questions: {ratios}" if ratios else ""


def crowded(traces: Path) -> str:
    """What other processes did to the machine while the questions of a file of traces were timed; "" where little."""
    with traces.open(encoding="utf-8") as rows:
        shares = [row["background"] for row in map(json.loads, rows) if row["background"] is not None]
    if not shares or mean(shares) <= MOST_BACKGROUND:
        return ""
    return f"other processes took {mean(shares):.0%} of the machine's CPU time: these are times of a busy machine"
