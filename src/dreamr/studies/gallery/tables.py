"""The worst verdicts of each pair, with all that is needed to judge them by eye."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.records import Question, Record
from dreamr.statistics.examples import ShownStep, asked, pictures, shown_steps
from dreamr.traces import Trace


def gallery(
    steps: pd.DataFrame,
    traces: Iterable[Trace],
    questions: Mapping[tuple[str, str], Question],
    data: Path,
    job: SummariseJob,
) -> list["Example"]:
    """The worst verdicts of the reference, pair by pair."""
    chosen = examples(worst(steps, job.reference), traces, questions, data)
    return sorted(chosen, key=lambda example: (example.target, example.draft, example.kind, example.question))


def worst(steps: pd.DataFrame, reference: str, each: int = 2) -> pd.DataFrame:
    """The worst verdicts of each pair's usual training: wrong steps with the highest, right ones with the lowest.

    A question stands there once.
    """
    rows = steps[(steps.method == reference) & (steps.replicate == 0)]
    kinds = {
        "wrong, accepted": rows[rows.wrong_accepted == 1].sort_values(["verdict", "question"], ascending=[False, True]),
        "right, rejected": rows[rows.right_rejected == 1].sort_values(["verdict", "question"]),
    }
    pair = ["target", "draft"]
    parts = [part.drop_duplicates([*pair, "question"]).groupby(pair).head(each) for part in kinds.values()]
    chosen = pd.concat([part.assign(kind=kind) for kind, part in zip(kinds, parts, strict=True)])
    return chosen.sort_values([*pair, "kind"], kind="stable")


class Example(Record):
    """One bad verdict with all that is needed to judge it by eye."""

    target: str
    draft: str
    kind: str
    benchmark: str
    question: str
    prompt: str
    images: tuple[str, ...]  # data URIs
    gold: tuple[str, ...]
    verdict: float
    steps: tuple[ShownStep, ...]


def examples(
    chosen: pd.DataFrame, traces: Iterable[Trace], questions: Mapping[tuple[str, str], Question], data: Path
) -> Iterator[Example]:
    """The chosen steps within their whole answers."""
    keys = ["target", "draft", "method", "benchmark", "question"]
    wanted = {tuple(row[key] for key in keys): row for row in chosen.to_dict("records")}
    for trace in traces:
        row = wanted.get(tuple(getattr(trace, key) for key in keys))
        if row is None or trace.mode != "batched" or trace.replicate:
            continue
        question = questions[trace.benchmark, trace.question]
        yield Example(
            **{key: row[key] for key in ("target", "draft", "kind", "benchmark", "question", "verdict")},
            prompt=asked(question),
            images=pictures(question, data),
            gold=question.gold,
            steps=shown_steps(trace.steps, row["step"]),
        )
