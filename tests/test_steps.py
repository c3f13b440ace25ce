"""Steps in a text: ends, answer lines, sameness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamr import steps
from dreamr.prompts import STEP_BREAK

texts = st.text("ab 1\n")


@given(texts)
def test_steps_joined_are_the_text(text: str) -> None:
    assert STEP_BREAK.join(steps.split(text)).rstrip() == text.rstrip()


@given(texts)
def test_a_step_holds_no_blank_line(text: str) -> None:
    assert all(STEP_BREAK not in step for step in steps.split(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("a", ("a",)),
        ("a\n\n", ("a",)),
        ("a\nb\n\nc", ("a\nb", "c")),
        ("a\n\n\nb", ("a", "\nb")),
        ("a\n\n\n\nb\n\n", ("a", "", "b")),
    ],
)
def test_split(text: str, expected: tuple[str, ...]) -> None:
    assert steps.split(text) == expected


@pytest.mark.parametrize(
    "line",
    [
        "Answer: B",
        "answer: 12 cm",
        "  Answer:B",
        "**Answer:** B",
        "**Final Answer:** 3.5",
        "### Answer: (C)",
        "> Answer : x",
    ],
)
def test_an_answer_line_ends_the_text(line: str) -> None:
    assert steps.through_answer(f"So it is.\n{line}\nBecause of that.") == f"So it is.\n{line}"


@pytest.mark.parametrize(
    "text", ["", "Answer:", "Answer:\nB", "**Answer:**\nB", "The answer: B", "My Answer: B", "Answers: B"]
)
def test_no_answer_line(text: str) -> None:
    assert steps.through_answer(text) is None


def test_the_first_answer_line_counts() -> None:
    assert steps.through_answer("Answer: A\nAnswer: B") == "Answer: A"


def test_an_answer_that_may_go_on_is_not_yet_one() -> None:
    assert steps.through_answer("Answer: 1", whole=False) is None
    assert steps.through_answer("Answer: 1\n", whole=False) == "Answer: 1"


@given(texts, texts)
def test_an_answer_line_is_cut_the_same_in_longer_texts(before: str, behind: str) -> None:
    text = f"{before}\nAnswer: 7"
    assert steps.through_answer(f"{text}\n{behind}") == text


def test_tags_are_removed() -> None:
    assert steps.without_tags("<think>\nIt is 3.\n</think>") == "\nIt is 3.\n"


@given(st.text())
def test_a_text_is_the_same_in_other_case_and_spacing(text: str) -> None:
    spaced = " ".join(f" {letter} " for letter in text.swapcase().swapcase())
    assert steps.same(spaced, text.swapcase().swapcase())


def test_other_words_are_not_the_same() -> None:
    assert steps.same("Red + 3 = 10.", "red+3=10. ")
    assert not steps.same("3 + 7 = 10.", "3 + 7 = 11.")
    assert steps.is_blank(" \n") and not steps.is_blank(".")
