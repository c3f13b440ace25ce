"""What the spans of an answer tell: how long an engine was busy, and what was under way at once."""

from collections.abc import Iterable
from typing import Literal

from dreamr.traces import Span


def busy_seconds(spans: Iterable[Span], engine: Literal["draft", "target"]) -> float:
    """Seconds in which `engine` had at least one request: the length of the union of its spans."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted((span.start, span.end) for span in spans if span.engine == engine):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def later_steps(spans: Iterable[Span], kind: Literal["draft", "target", "verify"]) -> tuple[int, float]:
    """How many spans of a kind were finished behind the first step, and their seconds."""
    seconds = [span.end - span.start for span in spans if span.kind == kind and span.step > 0 and not span.cancelled]
    return len(seconds), sum(seconds)


def lanes(spans: Iterable[Span]) -> list[list[Span]]:
    """Spans dealt out in order of start, each to the lowest lane that is free, so that none in a lane overlap."""
    dealt: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        free = next((lane for lane in dealt if lane[-1].end <= span.start), None)
        if free is None:
            dealt.append([span])
        else:
            free.append(span)
    return dealt
