"""A speed-up as a product: fewer tokens, steps delegated to the draft, fewer requests, work that runs in parallel.

Tokens are those of the answer's text by the target's tokenizer, whoever wrote it. For a method whose settings another
one shares but for its schedule, and which runs one thing at a time, a token's time falls in two ways: *delegation* is
what the sequential method gains a token, since the draft writes what the target would have written, *overlap* what the
same text gains by another schedule.

Not all of that is work at the same time. The sequential method asks its draft anew for each step; where the step before
was accepted, the draft of a parallel schedule writes on. *Starts* is what the sequential method would gain if its draft
wrote on there too, *parallel* the rest of the overlap. Spans do not tell when a first token came, so a request's start
is what it took beyond its tokens at the pace of the same draft writing alone.
"""

from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.frame import CELL, alone
from dreamr.statistics.intervals import LOGARITHM, Array, Quantity, Scaled, product, quotient, ratio, times
from dreamr.statistics.pooling import tabulate
from dreamr.traces import Span, Trace

FEWER_TOKENS = times("target_tokens_alone", "tokens_by_target")
ANSWER = ["target", "draft", "method", "replicate", "benchmark", "question"]
DRAFTED = ["drafting", "drafted_tokens", "beside"]  # seconds and tokens of draft steps, target-only's seconds


def time_per_token(suffix: str = "") -> Quantity:
    """The target's time per token over the method's, by its own neighbours; `suffix` names another method's columns."""
    return product(
        ratio(f"baseline_seconds{suffix}", "target_tokens_alone"),
        ratio(f"tokens_by_target{suffix}", f"seconds{suffix}"),
    )


def _starts(sums: Mapping[str, Array]) -> Array:
    """The sequential method's time over that without what its draft's requests behind accepted steps take to start."""
    drift = sums["beside"] / sums["beside_alone"]  # both are timed, but in different jobs
    pace = sums["drafting_alone"] / sums["drafted_tokens_alone"] * drift
    return sums["seconds_other"] / (sums["seconds_other"] - sums["drafting"] + sums["drafted_tokens"] * pace)


STARTS = Scaled(_starts, LOGARITHM)
OVERLAP = quotient(time_per_token(), time_per_token("_other"))
SPLIT: dict[str, Quantity] = {
    "speedup": times("baseline_seconds", "seconds"),
    "fewer_tokens": FEWER_TOKENS,
    "delegation": time_per_token("_other"),
    "overlap": OVERLAP,
    "starts": STARTS,
    "parallel": quotient(OVERLAP, STARTS),
}


def split(rows: pd.DataFrame, traces: Iterable[Trace], job: SummariseJob) -> pd.DataFrame:
    """Speed-up = fewer_tokens x delegation x overlap, on questions that the sequential twin was timed on as well.

    overlap = starts x parallel; both are unknown of a sequential method, and where its draft was not timed alone.
    """
    twins = sequential_twins(job.own)
    others = [rows[rows.method == twin].assign(method=name) for name, twin in twins.items()]
    columns = ["baseline_seconds", "seconds", "tokens_by_target", "untimed"]
    other = pd.concat([rows.iloc[:0], *others])[CELL + columns]
    paired = rows.merge(other, on=CELL, suffixes=("", "_other"), validate="one_to_one")
    return tabulate(alone(_with_drafting(paired, traces, twins, job)), job, SPLIT)


def sequential_twins(methods: Mapping[str, Method]) -> dict[str, str]:
    """Methods in which the target judges steps, each with the sequential one that writes the same text, where named.

    A loop declares which one writes its text in batches. One of another text has no twin, even if all settings agree.
    """
    sequential = {method: name for name, method in methods.items() if method.declared.sequential}
    return {name: sequential[method.batched] for name, method in methods.items() if method.batched in sequential}


def _with_drafting(
    rows: pd.DataFrame, traces: Iterable[Trace], twins: Mapping[str, str], job: SummariseJob
) -> pd.DataFrame:
    """Adds the drafting of the sequential twin behind accepted steps, and that of the same draft alone (X_alone)."""
    timed = [one for one in traces if one.mode == "alone" and not one.refusal]
    lines = [(*(getattr(one, key) for key in ANSWER), *_drafting(one), one.baseline_seconds) for one in timed]
    found = pd.DataFrame(lines, columns=[*ANSWER, *DRAFTED]).astype(dict.fromkeys(DRAFTED, float))
    by_itself = {method.draft: name for name, method in job.own.items() if not method.needs_target}
    streams = {name: by_itself.get(job.methods[twin].draft, "") for name, twin in twins.items() if name != twin}
    for names, suffix in ((twins, ""), (streams, "_alone")):
        there = found.rename(columns={"method": "asked", **{name: f"{name}{suffix}" for name in DRAFTED}})
        keys = ["asked" if key == "method" else key for key in ANSWER]
        rows = rows.assign(asked=rows.method.map(names)).merge(there, how="left", on=keys).drop(columns="asked")
    return rows


def _drafting(trace: Trace) -> tuple[float, int]:
    """Seconds and tokens of the draft's steps behind the first, which reads the question, and behind no rejected one.

    Behind a rejected step every schedule asks the draft anew.
    """
    spans = [*_behind_accepted(trace)]
    return sum(span.end - span.start for span in spans), sum(span.tokens for span in spans)


def _behind_accepted(trace: Trace) -> Iterator[Span]:
    done = (span for span in trace.spans if span.kind == "draft" and not span.cancelled)
    for span in done:
        if 0 < span.step <= len(trace.steps) and trace.steps[span.step - 1].accepted is not False:
            yield span
