"""The requests that an answer rests on, and when each of them could start: the rules of the loops, read off a trace.

A loop begins much that it throws away. What a committed step rests on is its draft, the verdict on it and, where the
target wrote it or both versions are compared, the target's version. Nothing else can make an answer late.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dreamr.config import Method
from dreamr.traces import Span, Step, Trace

LITTLE = 1e-6  # far above rounding, far below what makes another path the longest


@dataclass(frozen=True)
class Place:
    """What one committed step rests on."""

    requests: tuple[Span, ...]  # in the order in which the loop waits for them
    overruled: bool  # a verdict rejected the draft
    held: bool  # the draft was begun before the step before it was committed


@dataclass
class Times:
    """When the places so far were there, as measured or in another schedule, and when requests of the next can start.

    In seconds from the start of the answer.
    """

    method: Method
    drafted: float = 0.0  # the draft of the last place was there
    written: float = 0.0  # the target's version of it
    anew: float = 0.0  # the last rejection was committed; what had been begun behind it was dropped
    overruled: bool = False  # the last place
    commits: list[float] = field(default_factory=lambda: [0.0])  # [k]: k steps were committed

    def ready(self, kind: str, held: bool, reached: float) -> float:
        """When a request of the next place can start; `reached`: all that the loop waits for before it is there."""
        if kind == "verify":
            return max(self.anew, reached)
        if kind == "draft":
            return max(self._open, self.anew if self.overruled and not held else self.drafted)
        if self.overruled and self.method.continues:
            return self.written
        if compares(self.method) or self.method.target_speculation == "all":
            return max(self._open, self.anew, self.drafted)
        return self.commits[-1] if self.method.target_speculation == "frontier" else max(self.commits[-1], reached)

    @property
    def _open(self) -> float:
        """When the window reached the next place; a loop that does one thing at a time has a window of one."""
        return self.commits[max(0, len(self.commits) - (self.method.window or 1))]

    def take(self, place: Place, end: Callable[[Span, float], float]) -> None:
        """Go on behind `place`; `end` tells when a request ends that can start at a given time."""
        ends: dict[str, float] = {}
        for span in place.requests:
            ends[span.kind] = end(span, self.ready(span.kind, place.held, max(ends.values(), default=0.0)))
        self.drafted, self.written = ends.get("draft", 0.0), ends.get("target", 0.0)
        self.commits.append(max(self.commits[-1], *ends.values()))
        self.overruled = place.overruled
        if place.overruled:
            self.anew = self.commits[-1]


def compares(method: Method) -> bool:
    """Whether a verdict follows the target's own version, which every step needs."""
    return method.declared.judges == "versions"


def places(trace: Trace, method: Method) -> list[Place]:
    """What each committed step rests on, of an answer that no engine refused."""
    times, found = Times(method), []
    for number, step in enumerate(trace.steps):
        done = sorted((span for span in trace.spans if span.step == number and not span.cancelled), key=_start)
        requests = tuple(_requests(step, done, times))
        held = requests[0].kind == "draft" and requests[0].start < times.commits[-1]
        found.append(Place(requests, step.accepted is False, held))
        times.take(found[-1], lambda span, ready: span.end)
    return found


def _start(span: Span) -> float:
    return span.start


def _requests(step: Step, done: Sequence[Span], times: Times) -> Iterator[Span]:
    """Those of one step among the finished ones at its place, in order of start.

    Others stood behind a step that was rejected, so the last draft and verdict count. The target may also have come
    by the place while it wrote on from a step that the draft's then stood for: before its version could start.
    """
    drafts, verdicts, owns = ([span for span in done if span.kind == kind] for kind in ("draft", "verify", "target"))
    compared = compares(times.method)
    judged = verdicts[-1:] if step.verdict is not None else []
    before = drafts[-1:] if step.accepted is not None or step.writer == "draft" else []
    before += [] if compared else judged
    yield from before
    if compared or step.writer == "target":
        ready = times.ready("target", False, max((span.end for span in before), default=0.0))
        yield next(span for span in owns if span.start >= ready)
    yield from judged if compared else []


def measured(span: Span) -> float:
    """How long a request took, in seconds."""
    return span.end - span.start


def shortest(places: Sequence[Place], method: Method, seconds: Callable[[Span], float] = measured) -> float:
    """The critical path of an answer: seconds of the schedule that starts each request as soon as its loop can know it.

    No schedule of these requests under the rules of the loop is shorter, if each takes as long as `seconds` says: a
    request starts no sooner than what it is asked with is there, and what runs at the same time slows nothing.
    """
    times = Times(method)
    for place in places:
        times.take(place, lambda span, ready: ready + seconds(span))
    return times.commits[-1]


def on_path(places: Sequence[Place], method: Method) -> dict[str, float]:
    """Seconds of the critical path by kind of request.

    Found by how much longer it is where a kind is a little slower: so much would a faster kind save, until another
    path becomes the longest. Of paths that are equally long, which measured times never are, each counts.
    """
    path = shortest(places, method)

    def longer(kind: str) -> float:
        return shortest(places, method, lambda span: measured(span) * (1 + LITTLE * (span.kind == kind))) - path

    return {kind: longer(kind) / LITTLE for kind in ("draft", "verify", "target")}
