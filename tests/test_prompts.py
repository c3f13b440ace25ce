"""What models of the paper's families read, in files for people: tests/data/prompts/FAMILY/REQUEST.txt.

Chat templates in tests/data/templates are written after what is known of the families' formats; none was read from the
hub. RENEW_PROMPTS=1 writes the files anew; look at the difference before it is kept.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dreamr.engines.chat import Chat
from dreamr.prompts import ALIGN, PART, SCORE, STEP, VERIFY, WHOLE, Prompt, continued, question_prompt, verdict_prompt
from dreamr.records import Question

DATA = Path(__file__).resolve().parent / "data"
RENEW = "RENEW_PROMPTS" in os.environ
WRITES = "[the model writes from here]\n"  # at the end of each file
FAMILIES = {  # the template, its settings, and whether it opens a thinking block
    "qwen3-vl-thinking": ("qwen3-vl-thinking", {}, True),
    "mimo-vl": ("mimo-vl", {}, False),
    "r-4b": ("r-4b", {}, False),
    "r-4b-long": ("r-4b", {"thinking_mode": "long"}, True),
}
OPEN, CLOSE = "<think>", "</think>"
QUESTION = Question(
    id="1",
    dataset="t",
    prompt="<image>Which shape has more corners?\nA. the left one\nB. the right one",
    images=("shapes.png",),
    options=("the left one", "the right one"),
    gold=("B",),
    cluster="1",
)
STEPS = ("The left shape is a triangle.", "A triangle has three corners.")
DRAFT, OWN = "The right shape has four corners.", "The right shape is a square, so it has four corners."
ENDED = f"Four corners are more than three.\n{CLOSE}"  # what only a target's own step holds
ANSWER = f"{DRAFT}\n\nAnswer: B"


class Template:
    """A chat template as transformers renders it."""

    def __init__(self, name: str, settings: dict[str, str]) -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self._template = environment.from_string((DATA / f"templates/{name}.jinja").read_text())
        self._settings = settings

    def apply_chat_template(self, turns: list[dict[str, Any]], tokenize: bool, **named: Any) -> str:
        assert not tokenize
        return self._template.render(messages=turns, **named, **self._settings)


@cache
def requests() -> dict[str, Prompt]:
    """One prompt of each kind that this project sends."""
    asked = question_prompt(QUESTION, "data")
    begun, ended = continued(asked, STEPS), continued(asked, (*STEPS, DRAFT, ENDED))
    return {
        "step": asked,
        "continuing-step": begun,
        "answer-line": ended,
        "verdict": verdict_prompt(begun, (DRAFT,), VERIFY),
        "verdict-of-several": verdict_prompt(asked, STEPS, VERIFY.replace(STEP, PART)),
        "verdict-behind-thinking": verdict_prompt(ended, ("Answer: B",), VERIFY),
        "verdict-on-answer": verdict_prompt(asked, (ANSWER,), VERIFY.replace(STEP, WHOLE)),
        "score": verdict_prompt(begun, (DRAFT,), SCORE),
        "align": verdict_prompt(begun, (DRAFT, OWN), ALIGN),
    }


def text(family: str, request: str) -> str:
    template, settings, thinking = FAMILIES[family]
    return Chat(Template(template, settings), thinking).text(requests()[request])


@pytest.mark.parametrize("request_kind", requests())
@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_is_what_its_file_shows(family: str, request_kind: str) -> None:
    file = DATA / "prompts" / family / f"{request_kind}.txt"
    found = text(family, request_kind) + WRITES
    if RENEW:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(found)
    assert file.read_text() == found


def test_there_is_a_file_for_each_prompt_and_no_other() -> None:
    found = {(path.parent.name, path.stem) for path in DATA.glob("prompts/*/*.txt")}
    assert found == {(family, request) for family in FAMILIES for request in requests()}


@pytest.mark.parametrize("family", FAMILIES)
def test_verdicts_are_asked_for_outside_of_thinking(family: str) -> None:
    """Each thinking block that is opened is closed once before a verdict; steps go on inside an open one."""
    thinking = FAMILIES[family][2]
    for request, prompt in requests().items():
        said = text(family, request)
        opened, closed = said.count(OPEN), said.count(CLOSE)
        if thinking:
            assert opened == (2 if prompt.request else 1), request
            assert closed == (opened if prompt.request else request == "answer-line"), request
        else:
            assert (opened, closed) == (0, prompt.answer.count(CLOSE)), request


@pytest.mark.parametrize("family", FAMILIES)
def test_a_longer_answer_and_a_verdict_begin_with_the_shorter_prompt(family: str) -> None:
    """Else no cache of prefixes is of use."""
    first, longer = text(family, "step"), text(family, "continuing-step")
    assert longer.startswith(first) and longer != first
    for request in ("answer-line", "verdict", "score", "align"):
        assert text(family, request).startswith(longer), request
