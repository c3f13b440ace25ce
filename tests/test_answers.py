r"""Our scorer, case by case: what a careful reader would say each response answers."""

import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamr.records import Question
from dreamr.scoring.answers import grade, verdict
from dreamr.scoring.choices import read_choice
from dreamr.scoring.marks import without_thinking
from dreamr.scoring.numerals import numerals
from dreamr.scoring.quantities import quantity, same_quantity
from dreamr.scoring.values import same_answer

ANIMALS = ("teddy bear", "rabbit", "cat", "dog")


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("**B**", "B"),
        ("The final answer is $\\boxed{B}$.", "B"),
        ("<answer>B</answer>", "B"),
        ("B. rabbit", "B"),
        ("B: rabbit", "B"),
        ("C)", "C"),
        ("b", "B"),
        ("rabbit", "B"),
        ("Answer: a dog", "D"),
        ("Answer: A dog", "D"),
        ("The correct answer is (C) cat because the ears are pointed.", "C"),
        ("The correct answer is d", "D"),
        ("DNA is not visible", None),
        ("A cute teddy bear is the main object in image", "A"),
        ("B\n\nExplanation: A is a distractor.", "B"),
        ("The image shows a dog, not a cat, near the door", "D"),
        ("<think>It could be A or C</think>\nB", "B"),
        ("It could be A or C</think>\nB", "B"),
        ("Neither A nor B; it is C", "C"),
        ("A car is on the left, so B", "B"),
        ("B because a car is on the left", "B"),
        ("I'd choose C over B.", "C"),
        ("So the answer is not A but B.", "B"),
        ("Options B and C are wrong. Option D is correct.", "D"),
        ("Answer: B\n\nWait, its ears are short.\n\nAnswer: C", "C"),
        ("**Final Answer**\n\nD", "D"),
        ("A or B", None),
        ("Answer: A and C", None),
        ("The answer is B, but let me check.\n\nAnswer: none of these", None),
        ("", None),
    ],
)
def test_letter_that_a_response_chooses(response: str, letter: str | None) -> None:
    assert verdict(response, ANIMALS, ("B",)) == (letter, letter == "B", letter is None)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("\\sqrt{12}", "2\\sqrt{3}"),
        ("sqrt(12)", "$2\\sqrt{3}$"),
        ("2√3", "\\sqrt{12}"),
        ("10%", "0.10"),
        ("10 percent", "10"),
        ("24/7", "3.429"),
        ("0.015625", "1/64"),
        ("14 cm", "14"),
        ("30", "30^\\circ"),
        ("30 degrees", "30°"),
        ("x = 5", "5"),
        ("Yes", "yes"),
        ("Yes, there is.", "Yes"),
        ("**No**", "No"),
        ("three", "3"),
        ("There are three cars", "3"),
        ("25 mph", "25"),
        ("minus 120", "-120"),
        ("1,200", "1200"),
        ("12.0", "12"),
        ("The road goes downhill.", "Downhill"),
        ("Volume $=113.10 \\mathrm{~cm}^{3}$", "113.1"),
        ("36\\pi", "113.10"),
        ("$=(4,0)$", "(4, 0)"),
        ("(x-1)(x+1)", "x^2-1"),
        ("2x+3", "y = 2x + 3"),
        ("-2, 2", "2, -2"),
        ("3 < x", "x > 3"),
        ("50 cm^2", "50 square centimeters"),
        ("230", "230 ^\\circ T"),
    ],
)
def test_free_answers_that_mean_the_same(answer: str, gold: str) -> None:
    assert same_answer(answer, gold)
    assert verdict(f"Look.\n\nAnswer: {answer}", (), (gold,)).correct


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("13", "12"),
        ("12.04", "12"),
        ("3.4", "24/7"),
        ("3x", "3"),
        ("5 m", "5 km"),
        ("[1,2)", "(1,2)"),
        ("(2,1)", "(1,2)"),
        ("not downhill", "Downhill"),
        ("No", "Yes"),
        ("2\\sqrt{3}", "\\sqrt{3}"),
        ("-5", "5"),
    ],
)
def test_free_answers_that_differ(answer: str, gold: str) -> None:
    assert not same_answer(answer, gold)


def test_thinking_that_never_closes_is_no_answer() -> None:
    assert without_thinking("B <think> maybe") is None
    assert verdict("<think>The answer is B", ANIMALS, ("B",)) == (None, False, True)
    assert verdict("<think>\n12\n\nAnswer: 12", (), ("12",)) == (None, False, True)


def test_text_that_the_budget_cut_answers_only_by_a_mark() -> None:
    assert verdict("3 + 4 = 7", (), ("7",)).correct
    assert verdict("3 + 4 = 7", (), ("7",), complete=False).unresolved
    assert verdict("3 + 4 = 7\n\nAnswer: 7", (), ("7",), complete=False).correct


def test_several_letters_are_right_only_where_the_gold_has_several() -> None:
    assert verdict("Answer: C, D", ANIMALS, ("C", "D")).correct
    assert verdict("Answer: C", ANIMALS, ("C", "D")).correct
    assert not verdict("Answer: A, D", ANIMALS, ("C", "D")).correct
    assert not verdict("Answer: C, D", ANIMALS, ("C",)).correct


@pytest.mark.parametrize(
    ("response", "options", "letter"),
    [
        ("Answer: CD", ("AB", "BC", "CD", "AC"), "C"),
        ("Answer: A and C", ("A and B", "A and C", "B and C"), "B"),
        ("Answer: Aa", ("AA", "Aa", "aa"), "B"),
        ("Answer: BD", ("AB", "BC", "CD", "AC"), None),
        ("Answer: C", ("AB", "BC", "CD", "AC"), "C"),
        ("Answer: (B)", ("(B)", "(A)"), "B"),  # one letter is a letter, whatever an option says
    ],
)
def test_an_option_s_own_text_is_no_enumeration(response: str, options: tuple[str, ...], letter: str | None) -> None:
    assert read_choice(response, options) == letter


def test_gold_that_is_the_text_of_an_option() -> None:
    assert verdict("Answer: B", ("True", "False"), ("False",)).correct


def test_letter_gold_of_a_question_whose_options_are_in_the_image() -> None:
    assert verdict("Answer: (B) 17", (), ("B",)).correct
    assert not verdict("Answer: A. 17", (), ("B",)).correct


@given(st.sampled_from("ABCD"), st.sampled_from(["Answer: {}", "\\boxed{{{}}}", "<answer>{}</answer>", "({})", "{}."]))
def test_every_letter_in_every_form(letter: str, form: str) -> None:
    assert read_choice(f"One, two.\n\n{form.format(letter)}", ANIMALS) == letter


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_whole_numbers_agree_only_if_equal(answer: int, gold: int) -> None:
    assert verdict(f"Answer: {answer}", (), (str(gold),)).correct == (answer == gold)


@pytest.mark.parametrize(("text", "options"), [("3 + 4 = 7.\n\nAnswer: B", ANIMALS), ("3 + 4 = 7.\n\nAnswer: 8", ())])
def test_plain_answers_take_less_than_a_millisecond(text: str, options: tuple[str, ...]) -> None:
    question = Question(id="1", dataset="d", prompt="?", images=(), options=options, gold=("B",), cluster="1")
    start = time.process_time()
    for _ in range(200):
        grade(question, text)
    assert time.process_time() - start < 0.2


LABELLED = [
    json.loads(line) for line in (Path(__file__).parent / "data/labelled_answers.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize("case", LABELLED, ids=[f"{case['benchmark']}-{case['style']}" for case in LABELLED])
def test_agrees_with_a_careful_reader(case: dict[str, Any]) -> None:
    found = verdict(case["response"], tuple(case["options"]), tuple(case["gold"]), case["complete"])
    assert (found.correct, found.unresolved) == (case["correct"], case["reading"] is None)
    assert found.parsed == case["reading"] or not case["options"]


def test_labelled_set_spreads_over_benchmarks_and_verdicts() -> None:
    for name in ("mathverse", "mmbench", "realworldqa", "mmmu"):
        cases = [case for case in LABELLED if case["benchmark"] == name]
        assert len(cases) >= 75
        assert len({case["style"] for case in cases}) >= 40
        assert sum(not case["correct"] for case in cases) >= 15


# Set, kind, options ("a|b"), gold ("x||y"), response, right. The rules were mended on the development set. The held-out
# set was written before the rules were read, by who then mended them, and measured once, after their last change.
CASES = list(csv.DictReader((Path(__file__).parent / "data/answers.csv").open(encoding="utf-8", newline="")))
DISAGREEMENTS = {
    "development": {
        "Answer: 3/2",  # as a ratio of 3:2
        "Answer: Yep, it's green.",
        "Answer: second",  # 2nd
        "A: the paint is clearly blue, so B.",
        "The car might be blue or black, but the reflections show that it is black.",
        "The lane is closed, so no, you cannot turn here.",
    },
    "held out": {"Answer: There are no pedestrians, so no."},
}


@pytest.mark.parametrize(("name", "size"), [("development", 351), ("held out", 100)])
def test_agrees_with_a_careful_reader_but_for_known_cases(name: str, size: int) -> None:
    cases = [case for case in CASES if case["set"] == name]
    wrong = {case["response"] for case in cases if right(case) != (case["right"] == "1")}
    assert (len(cases), wrong) == (size, DISAGREEMENTS[name])


def right(case: dict[str, str]) -> bool:
    options = tuple(case["options"].split("|")) if case["options"] else ()
    return verdict(case["response"], options, tuple(case["gold"].split("||"))).correct


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("There are twenty-five cars", "There are 25 cars"),
        ("one hundred and five or ninety", "105 or 90"),
        ("two million three hundred thousand and eleven", "2300011"),
        ("fifteen hundred", "1500"),
        ("a dozen eggs and a cup", "12 eggs and a cup"),
        ("two thirds, a quarter, two and a half", "2/3, 1/4, 2 1/2"),
        ("2.5 million", r"2.5 \times 10^6"),
        ("someone listens to tents", "someone listens to tents"),
        ("five and seven", "5 and 7"),
    ],
)
def test_numbers_in_words_become_numerals(words: str, digits: str) -> None:
    assert numerals(words) == digits


@given(st.integers(1, 10**6), st.sampled_from([("km", "m", 1000), ("h", "s", 3600), ("m^2", "cm^2", 10**4)]))
def test_units_of_a_kind_are_converted(number: int, units: tuple[str, str, int]) -> None:
    large, small, factor = units
    converted, other = quantity(f"{number * factor} {small}"), quantity(f"{number * factor + 1} {small}")
    value = quantity(f"{number} {large}")
    assert value is not None and converted is not None and other is not None
    assert same_quantity(value, converted) and not same_quantity(value, other)


def test_a_blank_option_makes_no_letter_of_the_article() -> None:
    assert read_choice("Answer: A dog", ("", "a dog")) == "B"
