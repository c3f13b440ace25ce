"""Score answers from anywhere: one JSON object a line in, one verdict a line out, in the same order.

    dreamr score --rule choice < cases.jsonl > verdicts.jsonl

A case has `response` (text), `options` (texts, letters A, B, ... by position) and `gold` (a text or a list of accepted
texts; null or absent: only read the answer). For lmms-letters `options` are the allowed letters, for lmms-think the tag
pairs; lmms-reasoning also takes `data_source`; lmms-mmbench-circular takes only `group`, the rotations of one
question as a list of {index, options, gold, response}.

A verdict has `parsed` (letter, text, number, list of candidates, or null), `correct` (null without a gold or where the
rule has no deterministic verdict) and `unresolved` (no answer could be read; for lmms rules: the harness would draw at
random or ask a judge); that of lmms-reasoning also has `format_score`.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dreamr.errors import UserError
from dreamr.runtime.endings import exit_on_user_error
from dreamr.scoring import answers, lmms_eval, lmms_reasoning
from dreamr.scoring.answers import Grade
from dreamr.scoring.lmms_letters import LmmsGrade

Texts = Annotated[tuple[str, ...], Field(min_length=1)]
Options = Annotated[tuple[str, ...], Field(min_length=1, max_length=26)]
FourOptions = Annotated[tuple[str | None, ...], Field(min_length=1, max_length=4)]
Letter = Annotated[str, Field(min_length=1, max_length=1)]
Tag = Annotated[str, Field(min_length=1)]


class Case(BaseModel):
    """An answer without options. Types are exact and closed: a number is no text, an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    response: str
    gold: Texts | None = None
    options: Any = None

    @field_validator("gold", mode="before")
    @classmethod
    def _one_or_more(cls, gold: Any) -> Any:
        return (gold,) if isinstance(gold, str) else gold


class ChoiceCase(Case):
    options: Options


class RowCase(Case):
    options: FourOptions


class LettersCase(Case):
    options: Annotated[tuple[Letter, ...], Field(min_length=1)]


class ThinkCase(Case):
    options: Annotated[tuple[tuple[Tag, Tag], ...], Field(min_length=1)]


class ReasoningCase(Case):
    data_source: str | None = None


class RotationCase(RowCase):
    index: Annotated[int, Field(ge=0)]


class GroupCase(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    group: Annotated[tuple[RotationCase, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_question(self) -> "GroupCase":
        bases = {row.index % lmms_eval.ROTATION for row in self.group}
        if len(bases) > 1:
            raise ValueError(f"rows of several questions: indices modulo {lmms_eval.ROTATION} are {sorted(bases)}")
        return self


def ours(case: Case) -> Grade | LmmsGrade:
    verdict = answers.verdict(case.response, case.options or (), case.gold or ())
    return verdict if case.gold else LmmsGrade(verdict.parsed, None, verdict.unresolved)


def free(case: Case) -> Grade | LmmsGrade:
    return ours(case.model_copy(update={"options": None}))


def thinking(case: Case) -> LmmsGrade:
    text = lmms_eval.strip_thinking(case.response, case.options)
    return LmmsGrade(text, text in case.gold if case.gold else None, False)


def circular(case: GroupCase) -> LmmsGrade:
    return lmms_eval.mmbench_circular([row.model_dump() for row in case.group])


RULES: dict[str, tuple[type[BaseModel], Callable[[Any], Any]]] = {
    "choice": (ChoiceCase, ours),
    "free": (Case, free),
    "lmms-mmmu-choice": (ChoiceCase, lambda case: lmms_eval.mmmu_choice(case.response, case.options, case.gold)),
    "lmms-mmmu-open": (Case, lambda case: lmms_eval.mmmu_open(case.response, case.gold)),
    "lmms-mmbench-row": (RowCase, lambda case: lmms_eval.mmbench_row(case.response, case.options, case.gold)),
    "lmms-mmbench-static-row": (
        RowCase,
        lambda case: lmms_eval.mmbench_static_row(case.response, case.options, case.gold),
    ),
    "lmms-mmbench-circular": (GroupCase, circular),
    "lmms-letters": (LettersCase, lambda case: lmms_eval.letters(case.response, case.options, case.gold)),
    "lmms-realworldqa": (Case, lambda case: lmms_eval.realworldqa(case.response, case.gold)),
    "lmms-reasoning": (ReasoningCase, lambda case: lmms_reasoning.reasoning(case.response, case.gold)),
    "lmms-think": (ThinkCase, thinking),
}


@exit_on_user_error()
def main(*, rule: Annotated[str, Parameter(choices=tuple(RULES))]) -> None:
    """Print the verdict of each case that stdin has.

    Args:
        rule: how to read and compare; lmms-... are the rules of lmms-eval 0.7.3, the others this project's
    """
    for verdict in verdicts(rule, sys.stdin.buffer):
        print(json.dumps(verdict))


def verdicts(rule: str, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The verdict of each line; a malformed one stops with its number and what is wrong."""
    kind, judge = RULES[rule]
    for number, line in enumerate(lines, 1):
        case = read_case(kind, number, line)
        verdict = judge(case)._asdict()
        if rule == "lmms-reasoning":
            verdict["format_score"] = lmms_reasoning.format_score(case.response)
        yield verdict


def read_case(kind: type[BaseModel], number: int, line: bytes) -> Any:
    try:
        return kind.model_validate(json.loads(line.decode("utf-8")))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"line {number}: not JSON in UTF-8: {error}") from None
    except ValidationError as error:
        raise UserError(f"line {number}: {'; '.join(map(_message, error.errors()))}") from None


def _message(problem: Any) -> str:
    key = ".".join(map(str, problem["loc"])) or "line"
    found = "" if problem["type"] == "missing" else f" (found: {str(problem['input'])[:80]!r})"
    return f"{key}: {problem['msg']}{found}"
