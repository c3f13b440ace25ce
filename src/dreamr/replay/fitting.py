"""What the work of two engines costs, fitted to answers in which nothing overlapped.

There the seconds of a request are linear in its costs. So what each cost contributes is what the replay takes where
that cost is one and all others are nothing, and the rest is least squares. How much requests of one engine crowd each
other is told by answers given many at once, how much two engines do by the target beside a busy draft.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from dreamr.config import Method
from dreamr.methods.protocol import Limits
from dreamr.records import Span, Trace
from dreamr.replay.running import Costs, answered, seconds_in_batch
from dreamr.replay.serving import Cost

Array = NDArray[np.float64]
Engine = Literal["target", "draft"]

ONE_AFTER_THE_OTHER = ("target_only", "draft_only", "specreason")  # loops in which nothing overlaps
FITTED = ("decode", "prefill", "request", "opening", "verdict")
LEAST = (0.0, 0.0, 0.0, 0.0, -np.inf)  # a verdict is not turned into words, so it may cost less than a token
TRIED_CROWDING, TRIED_SHARING = 0.02, 0.2  # what is tried to see what it does
ORDER = ("draft", "verify", "target")


class Timing(NamedTuple):
    """What was timed of one engine."""

    work: Array  # seconds per unit of each cost, shape (n, costs)
    seconds: Array  # shape (n,)


def timing(trace: Trace, method: Method, engine: Engine, limits: Limits) -> Timing:
    """The spans of one engine in an answer in which nothing overlapped."""
    assert method.loop in ONE_AFTER_THE_OTHER, method.loop
    columns = []
    for name in FITTED:
        spans = answered(trace, method, _only(engine, Cost(**{name: 1.0})), limits)[1].spans
        columns.append(_durations(spans, engine))
    return Timing(np.array(columns).T, np.array(_durations(trace.spans, engine)))


def whole(trace: Trace, method: Method, limits: Limits, seconds: float) -> Timing:
    """A whole answer of the target by itself that took `seconds`; `trace` tells what it said."""
    work = timing(trace, method, "target", limits).work
    return Timing(work.sum(axis=0, keepdims=True), np.array([seconds]))


def _durations(spans: Iterable[Span], engine: Engine) -> list[float]:
    ordered = sorted(spans, key=lambda span: (span.step, ORDER.index(span.kind)))
    return [span.end - span.start for span in ordered if span.engine == engine]


def fitted(timings: Sequence[Timing]) -> Cost:
    """Costs by least squares of seconds; each weighs by one over its seconds, as if its variance grew with them."""
    seconds = np.concatenate([one.seconds for one in timings])
    weights = 1 / np.sqrt(seconds)
    work = np.concatenate([one.work for one in timings]) * weights[:, None]
    found = lsq_linear(work, seconds * weights, bounds=(LEAST, np.inf)).x
    return Cost(**dict(zip(FITTED, map(float, found), strict=True)))


def crowding(
    alone: Sequence[Trace], batched: Sequence[Trace], method: Method, costs: Costs, limits: Limits, concurrency: int
) -> float:
    """The share of an iteration that each further request adds.

    With it the replay of `batched` takes as many times the seconds of the replay of `alone` as it did. Costs of `alone`
    do not depend on it, and while `concurrency` questions are under way, seconds grow with it in proportion.
    """
    engine: Engine = "draft" if method.loop == "draft_only" else "target"

    def ratio(share: float) -> float:
        crowded = _only(engine, replace(costs.draft if engine == "draft" else costs.target, crowding=share))
        by_itself = np.mean([answered(trace, method, crowded, limits)[0] for trace in alone])
        return float(np.mean(seconds_in_batch(batched, method, crowded, limits, concurrency)) / by_itself)

    measured = np.mean([trace.seconds for trace in batched]) / np.mean([trace.seconds for trace in alone])
    free = ratio(0.0)
    return max(0.0, TRIED_CROWDING * float(measured - free) / (ratio(TRIED_CROWDING) - free))


def _only(engine: Engine, cost: Cost) -> Costs:
    return Costs(draft=cost) if engine == "draft" else Costs(target=cost)


def sharing(beside: Sequence[Trace], method: Method, costs: Costs, limits: Limits) -> float:
    """How much slower an engine is while the other works too, from the target beside a busy draft (loop `beside`).

    With it the replay takes as much longer than without as the target took longer than by itself.
    """
    measured = sum(trace.seconds for trace in beside) / sum(trace.baseline_seconds or 0.0 for trace in beside)

    def seconds(share: float) -> float:
        return sum(answered(trace, method, replace(costs, sharing=share), limits)[0] for trace in beside)

    slower = seconds(TRIED_SHARING) / seconds(0.0)
    return max(0.0, TRIED_SHARING * (measured - 1) / (slower - 1))
