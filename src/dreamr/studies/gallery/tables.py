"""The worst verdicts of each pair, with all that is needed to judge them by eye."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from dreamr.planning.jobs import SummariseJob
from dreamr.records import IMAGE_MARK, Question, Record
from dreamr.traces import Step, Trace


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
    """The worst verdicts of each pair: wrong steps with the highest, right steps with the lowest; questions once."""
    rows = steps[steps.method == reference]
    kinds = {
        "wrong, accepted": rows[rows.wrong_accepted == 1].sort_values(["verdict", "question"], ascending=[False, True]),
        "right, rejected": rows[rows.right_rejected == 1].sort_values(["verdict", "question"]),
    }
    pair = ["target", "draft"]
    parts = [part.drop_duplicates([*pair, "question"]).groupby(pair).head(each) for part in kinds.values()]
    chosen = pd.concat([part.assign(kind=kind) for kind, part in zip(kinds, parts, strict=True)])
    return chosen.sort_values([*pair, "kind"], kind="stable")


class Shown(Record):
    """One committed step of an example, as the gallery shows it."""

    text: str
    writer: Literal["draft", "target"]
    verdict: float | None
    rejected: str | None
    marked: bool  # the step that the example is about


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
    steps: tuple[Shown, ...]


def examples(
    chosen: pd.DataFrame, traces: Iterable[Trace], questions: Mapping[tuple[str, str], Question], data: Path
) -> Iterator[Example]:
    """The chosen steps within their whole answers."""
    keys = ["target", "draft", "method", "benchmark", "question"]
    wanted = {tuple(row[key] for key in keys): row for row in chosen.to_dict("records")}
    for trace in traces:
        row = wanted.get(tuple(getattr(trace, key) for key in keys))
        if row is None or trace.mode != "batched":
            continue
        question = questions[trace.benchmark, trace.question]
        yield Example(
            **{key: row[key] for key in ("target", "draft", "kind", "benchmark", "question", "verdict")},
            prompt=question.prompt.replace(IMAGE_MARK, "").strip(),
            images=tuple(_data_uri(data / name) for name in question.images),
            gold=question.gold,
            steps=tuple(_shown(step, number == row["step"]) for number, step in enumerate(trace.steps)),
        )


def _shown(step: Step, marked: bool) -> Shown:
    return Shown(text=step.text, writer=step.writer, verdict=step.verdict, rejected=step.rejected, marked=marked)


def _data_uri(image: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(image.read_bytes()).decode()
