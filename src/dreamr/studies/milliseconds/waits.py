"""What an answer waited for: its wall clock taken apart.

At each moment an answer waits for the next step to be committed, and that for one thing: the first in the order of the
loop that is not there yet. So a moment counts as

- `drafting` while the step's draft is being written, or `rejected_drafting` where a verdict then rejected that draft:
  work that was waited for and thrown away;
- `verdicts` while its draft is there and the verdict on it is under way, whatever else runs meanwhile;
- `own_steps` while the verdict is there (with Lookahead Reasoning: the draft) and the target's version is under way;
- `rest` while nothing of that is under way: the loop itself, and what lies between two requests.

The first of these waits on each engine also reads the question with its picture. `opening` is what the request took
beyond its tokens at the pace of the answer's later ones; spans do not tell when a first token came.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

from dreamr.studies.milliseconds.requests import Place, measured
from dreamr.traces import Span, Trace

PARTS = ("opening", "drafting", "rejected_drafting", "verdicts", "own_steps", "rest")
ENGINES = ("draft", "target")
KINDS = {"draft": "drafting", "verify": "verdicts", "target": "own_steps"}


@dataclass(frozen=True)
class Pace:
    """How fast the requests were that answers rest on, in seconds; a verdict is one token."""

    token: dict[str, float]  # by kind of request, behind the first step
    opening: dict[str, float]  # by engine: what its first request took beyond its tokens

    def seconds(self, span: Span, opens: bool) -> float:
        """What a request takes at this pace; KeyError where none of its kind was seen."""
        return span.tokens * self.token[span.kind] + (self.opening.get(span.engine, 0.0) if opens else 0.0)


def pace(answers: Sequence[Sequence[Place]]) -> Pace:
    """The pace of some answers, each given by its places."""
    later = [span for places in answers for place in places[1:] for span in place.requests]
    kinds = {kind: [span for span in later if span.kind == kind] for kind in KINDS}
    spent = {kind: (sum(map(measured, spans)), sum(span.tokens for span in spans)) for kind, spans in kinds.items()}
    token = {kind: seconds / tokens for kind, (seconds, tokens) in spent.items() if tokens}
    first = [span for places in answers for span in openings(places) if span.kind in token]
    beyond = {name: [measured(s) - s.tokens * token[s.kind] for s in first if s.engine == name] for name in ENGINES}
    return Pace(token, {name: mean(seconds) for name, seconds in beyond.items() if seconds})


def openings(places: Sequence[Place]) -> list[Span]:
    """The first request of each engine among those of the first step."""
    first: dict[str, Span] = {}
    for span in places[0].requests:
        first.setdefault(span.engine, span)
    return list(first.values())


def waits(trace: Trace, places: Sequence[Place]) -> dict[str, float]:
    """Seconds by part; they are those of the answer in all."""
    seconds = dict.fromkeys(PARTS, 0.0)
    for part, passed in _waits(places):
        seconds[part] += passed
    return seconds | {"rest": trace.seconds - sum(seconds.values())}


def _waits(places: Sequence[Place]) -> Iterator[tuple[str, float]]:
    """Part and seconds of each wait for a request."""
    opening, first, now = pace([places]).opening, openings(places), 0.0
    for place in places:
        for span in place.requests:
            begin, end = max(now, span.start), max(now, span.end)
            read = span.start + (opening.get(span.engine, 0.0) if span in first else 0.0)
            cut = min(max(begin, read), end)
            yield "opening", cut - begin
            yield "rejected_drafting" if span.kind == "draft" and place.overruled else KINDS[span.kind], end - cut
            now = end
