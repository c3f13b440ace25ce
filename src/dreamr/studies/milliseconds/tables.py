"""Where the milliseconds of a timed answer go, and how far it is from the shortest schedule of its own requests."""

from collections.abc import Iterable, Sequence
from math import nan

import pandas as pd

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import KEYS, alone, first_training
from dreamr.statistics.intervals import Quantity, mean, ratio
from dreamr.statistics.pooling import tabulate
from dreamr.studies.milliseconds.requests import Place, measured, on_path, places, shortest
from dreamr.studies.milliseconds.waits import KINDS, PARTS, Pace, openings, pace, waits
from dreamr.traces import Trace

ON_PATH = [f"path_{part}" for part in KINDS.values()]
MILLISECONDS: dict[str, Quantity] = {
    "seconds": mean("seconds"),
    **{part: mean(part) for part in PARTS},
    "path": mean("path"),
    **{name: ratio(name, "path") for name in ON_PATH},
    "over_path": ratio("seconds", "path"),
    "uncrowded": mean("uncrowded"),
    "crowding": ratio("path", "uncrowded"),
    "verdict": ratio("verdict_seconds", "verdict_requests"),
}
ANSWER = [*KEYS, "question"]
FOUND = [*ANSWER, *PARTS, "path", *ON_PATH, "uncrowded", "verdict_seconds", "verdict_requests"]
Answer = tuple[Trace, list[Place]]


def milliseconds(traces: Iterable[Trace], rows: pd.DataFrame, job: SummariseJob) -> pd.DataFrame:
    """Seconds of a timed answer by what it waited for (`waits`), its critical path, and that path without crowding.

    `over_path` is the wall clock over the path, each request as long as it was; `path_drafting`, `path_verdicts` and
    `path_own_steps` are the shares that these have in it. `crowding` is that path over the `uncrowded` one, in which
    each request takes as long as in the pair's sequential answers, where nothing runs beside it; unknown without such.
    `verdict`: seconds of a verdict behind the first step. What fell back to the target alone follows no rule of its
    method's loop, and is left out.
    """
    # By whose rules `places` reads: loops of this package that go step by step.
    known = {name for name, method in job.methods.items() if "." not in method.loop and not method.declared.by_token}
    timed = [trace for trace in traces if trace.mode == "alone" and not trace.replicate and not trace.refusal]
    kept = [trace for trace in timed if trace.method in known and not _fell_back(trace, job.methods[trace.method])]
    answers = [(trace, places(trace, job.methods[trace.method])) for trace in kept]
    paces = _paces(answers, {*job.compared}, job)
    lines = [
        _line(trace, found, paces.get((trace.target, trace.draft, trace.method)), job.methods[trace.method])
        for trace, found in answers
    ]
    found = pd.DataFrame(lines, columns=FOUND)
    return tabulate(alone(first_training(rows)).merge(found, on=ANSWER, validate="one_to_one"), job, MILLISECONDS)


def _fell_back(trace: Trace, method: Method) -> bool:
    return method.guarantee is not None and not trace.drafted


def _paces(answers: Iterable[Answer], main: set[str], job: SummariseJob) -> dict[tuple[str, str, str], Pace]:
    """By pair and method, how fast requests are by themselves: in answers of the loop that does one thing at a time.

    Only main methods are asked and told: those of one pair are timed right beside each other, while the machine may
    have been faster or slower when others were.
    """
    by_pair: dict[tuple[str, str], list[list[Place]]] = {}
    for trace, found in answers:
        method = job.methods[trace.method]
        if trace.method in main and method.declared.sequential and method.asks_about_a_step:
            by_pair.setdefault((trace.target, trace.draft), []).append(found)
    seen = {pair: pace(places) for pair, places in by_pair.items()}
    return {(*pair, method): one for pair, one in seen.items() for method in main}


def _line(trace: Trace, found: Sequence[Place], pace: Pace | None, method: Method) -> dict[str, object]:
    verdicts = [span for place in found[1:] for span in place.requests if span.kind == "verify"]
    return {
        **{key: getattr(trace, key) for key in ANSWER},
        **waits(trace, found),
        "path": shortest(found, method),
        **{f"path_{KINDS[kind]}": seconds for kind, seconds in on_path(found, method).items()},
        "uncrowded": _uncrowded(found, pace, method),
        "verdict_seconds": sum(map(measured, verdicts)),
        "verdict_requests": float(len(verdicts)),
    }


def _uncrowded(found: Sequence[Place], pace: Pace | None, method: Method) -> float:
    """The critical path at a given pace; NaN where no pace tells, or where the loop runs nothing at the same time."""
    kinds = {span.kind for place in found for span in place.requests}
    if pace is None or not method.declared.ahead or not kinds <= pace.token.keys():
        return nan
    first = openings(found)
    return shortest(found, method, lambda span: pace.seconds(span, span in first))
