"""Timed answers of the loops in which much happens at once, predicted from answers in which nothing does.

Costs come from answers in which nothing overlapped, of other questions: the timed questions of a pair are dealt to two
folds, and each fold is predicted with the costs of the other. What a loop overlaps is in no fit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

import pandas as pd

from dreamr.methods.protocol import Limits
from dreamr.planning.jobs import ReplayJob
from dreamr.records import Question, Trace
from dreamr.replay.fitting import FITTED, ONE_AFTER_THE_OTHER, Engine, Timing, crowding, fitted, sharing, timing, whole
from dreamr.replay.running import Costs, answered
from dreamr.statistics.frame import BASELINE
from dreamr.statistics.predicted import GATED

PREDICTED = (*GATED, "specreason")  # loops; in the last nothing overlaps, so its error is that of costs and clock
LEAST = 8  # timed questions of a pair, half of them for the fit
Key = tuple[str, str]  # benchmark, question
COSTS = ["target", "draft", "fold", "engine", *FITTED, "crowding", "sharing"]
QUESTIONS = [
    *("target", "draft", "method", "benchmark", "question", "cluster", "n", "baseline_seconds", "seconds"),
    *("predicted_baseline_seconds", "predicted_seconds", "verified", "accepted", "draft_step", "target_step"),
]


@dataclass(frozen=True)
class _Pair:
    """What a pair answered, of the usual training, questions that were refused left out."""

    job: ReplayJob
    target: str
    draft: str
    alone: dict[str, dict[Key, Trace]]  # timed answers by method
    batched: dict[str, dict[Key, Trace]]

    @property
    def limits(self) -> Limits:
        return Limits(self.job.generation.step_tokens, self.job.generation.answer_tokens)

    @property
    def folds(self) -> list[set[Key]]:
        """The timed questions, dealt to two folds."""
        keys = sorted(self.timed.keys() & self.batched.get(BASELINE, {}).keys())
        return [set(keys[::2]), set(keys[1::2])]

    @property
    def is_enough(self) -> bool:
        """Whether costs can be fitted."""
        return sum(map(len, self.folds)) >= LEAST and {BASELINE, "draft_only"} <= self.alone.keys()

    @property
    def timed(self) -> dict[Key, Trace]:
        """A timed answer of this pair to each question; the target was timed beside it."""
        return {key: trace for name, traces in self.alone.items() if name != BASELINE for key, trace in traces.items()}

    def costs(self, fold: set[Key]) -> Costs:
        """Costs by the answers to the questions of `fold`; those do not tell what two engines do to each other."""
        target, draft = fitted(self._timings("target", fold)), fitted(self._timings("draft", fold))
        costs = Costs(target, draft)
        return replace(
            costs,
            target=replace(target, crowding=self._crowding(BASELINE, costs)),
            draft=replace(draft, crowding=self._crowding("draft_only", costs)),
        )

    def _timings(self, engine: Engine, fold: set[Key]) -> list[Timing]:
        found = [
            timing(trace, self.job.tables.methods[name], engine, self.limits)
            for name, traces in self.alone.items()
            if name != BASELINE and self.job.tables.methods[name].loop in ONE_AFTER_THE_OTHER
            for key, trace in traces.items()
            if key in fold and any(span.engine == engine for span in trace.spans)
        ]
        return found + (self._baselines(fold) if engine == "target" else [])

    def _baselines(self, fold: set[Key]) -> list[Timing]:
        """The target by itself, as it was timed beside the answers of this pair."""
        plain = self.job.tables.methods[BASELINE]
        return [
            whole(self.batched[BASELINE][key], plain, self.limits, trace.baseline_seconds)
            for key, trace in self.timed.items()
            if key in fold and trace.baseline_seconds
        ]

    def _crowding(self, name: str, costs: Costs) -> float:
        alone, batched = (list(answers[name].values()) for answers in (self.alone, self.batched))
        at_once = self.job.generation.concurrency
        return crowding(alone, batched, self.job.tables.methods[name], costs, self.limits, at_once)

    def predicted(self, name: str, key: Key, costs: Costs) -> dict[str, object]:
        """Seconds of one answer and of the target by itself, measured and replayed."""
        trace, plain = self.alone[name][key], self.batched[BASELINE][key]
        methods = self.job.tables.methods
        return {
            **{"target": self.target, "draft": self.draft, "method": name, "benchmark": key[0], "question": key[1]},
            "n": 1.0,
            "baseline_seconds": trace.baseline_seconds,
            "seconds": trace.seconds,
            "predicted_baseline_seconds": answered(plain, methods[BASELINE], costs, self.limits)[0],
            "predicted_seconds": answered(trace, methods[name], costs, self.limits)[0],
            "verified": float(trace.verified),
            "accepted": float(trace.accepted),
            "draft_step": costs.draft.decode * trace.tokens / len(trace.steps),
            "target_step": costs.target.decode * plain.tokens / len(plain.steps),
        }


@dataclass(frozen=True)
class Part:
    """The timed questions of one fold of a pair, and the costs by the answers to its others."""

    pair: _Pair
    fold: int
    keys: set[Key]
    costs: Costs


def parts(traces: Iterable[Trace], job: ReplayJob) -> list[Part]:
    """All folds; none where no target was timed beside a busy draft, or where too few questions were timed."""
    rows = [trace for trace in traces if trace.mode in ("alone", "batched") and not trace.refusal and not trace.seed]
    beside = [row for row in rows if row.mode == "alone" and job.tables.methods[row.method].loop == "beside"]
    pairs = [_pair(rows, job, *names) for names in job.tables.pairs] if beside else []
    found = [(pair, [pair.costs(fold) for fold in pair.folds]) for pair in pairs if pair.is_enough]
    shared = _sharing(beside, found)
    if shared is None:
        return []
    return [
        Part(pair, fold, keys, replace(other, sharing=shared))
        for pair, costs in found
        for fold, (keys, other) in enumerate(zip(pair.folds, reversed(costs), strict=True))
    ]


def predictions(folds: Iterable[Part], questions: Mapping[Key, Question]) -> pd.DataFrame:
    """One row per timed answer of the predicted loops."""
    answers = [
        part.pair.predicted(name, key, part.costs) | {"cluster": f"{key[0]}/{questions[key].cluster}"}
        for part in folds
        for name, traces in part.pair.alone.items()
        if part.pair.job.tables.methods[name].loop in PREDICTED
        for key in traces
        if key in part.keys
    ]
    return pd.DataFrame(answers, columns=QUESTIONS)


def costs(folds: Iterable[Part]) -> pd.DataFrame:
    """The costs by which each fold is predicted."""
    return pd.DataFrame([line for part in folds for line in _told(part)], columns=COSTS)


def _pair(rows: Sequence[Trace], job: ReplayJob, target: str, draft: str) -> _Pair:
    """The answers of a pair, and of its target alone."""
    found: dict[str, dict[str, dict[Key, Trace]]] = {"alone": {}, "batched": {}}
    for row in rows:
        ours = row.target == target and (row.draft == draft or row.method == BASELINE)
        if ours and job.tables.methods[row.method].loop != "beside":
            found[row.mode].setdefault(row.method, {})[row.benchmark, row.question] = row
    return _Pair(job, target, draft, found["alone"], found["batched"])


def _sharing(beside: Sequence[Trace], found: Iterable[tuple[_Pair, Sequence[Costs]]]) -> float | None:
    """How much two engines slow each other: a property of the machine, the mean over the pairs that tell; else None."""
    values = []
    for pair, costs in found:
        own = [trace for trace in beside if (trace.target, trace.draft) == (pair.target, pair.draft)]
        if own:
            method = pair.job.tables.methods[own[0].method]
            values += [sharing(own, method, one, pair.limits) for one in costs]
    return mean(values) if values else None


def _told(part: Part) -> list[dict[str, object]]:
    """The costs of both engines as lines of a table."""
    key = {"target": part.pair.target, "draft": part.pair.draft, "fold": part.fold, "sharing": part.costs.sharing}
    return [key | {"engine": name} | vars(getattr(part.costs, name)) for name in ("target", "draft")]
