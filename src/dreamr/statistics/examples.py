"""Answers that the page shows whole: their committed steps, and the pictures of their questions."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from dreamr.records import IMAGE_MARK, Question, Record
from dreamr.traces import Step, Trace


class AnswerKey(NamedTuple):
    """Which answer it is, of those given alone after the usual trainings."""

    target: str
    draft: str
    method: str
    benchmark: str
    question: str

    @classmethod
    def of(cls, trace: Trace) -> "AnswerKey":
        """That of a trace."""
        return cls(*(getattr(trace, name) for name in cls._fields))


def right_alone(scores: pd.DataFrame) -> set[AnswerKey]:
    """The answers given one at a time that the scorer found right."""
    right = scores[(scores["mode"] == "alone") & (scores.correct == 1)]
    return {AnswerKey(*key) for key in right[[*AnswerKey._fields]].itertuples(index=False)}


class ShownStep(Record):
    """One committed step."""

    text: str
    writer: Literal["draft", "target"]
    verdict: float | None
    rejected: str | None
    marked: bool  # the step that the example is about


def shown_steps(steps: Iterable[Step], marked: int | None = None) -> tuple[ShownStep, ...]:
    """All steps of an answer; `marked` is the index of the one that the example is about."""
    return tuple(
        ShownStep(
            text=step.text, writer=step.writer, verdict=step.verdict, rejected=step.rejected, marked=number == marked
        )
        for number, step in enumerate(steps)
    )


def asked(question: Question) -> str:
    """The words of a question, without the places of its pictures."""
    return question.prompt.replace(IMAGE_MARK, "").strip()


def pictures(question: Question, data: Path) -> tuple[str, ...]:
    """Its pictures, which lie under `data`, as data URIs."""
    files = [data / name for name in question.images]
    return tuple("data:image/png;base64," + base64.b64encode(file.read_bytes()).decode() for file in files)
