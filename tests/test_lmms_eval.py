"""The published harness's verdicts, on cases that were run through it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamr.scoring import lmms_eval, lmms_letters, lmms_reasoning

ANIMALS = ["teddy bear", "rabbit", "cat", "dog"]


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("**B**", None),
        ("The final answer is $\\boxed{B}$.", None),
        ("<answer>B</answer>", None),
        ("B. rabbit", "B"),
        ("B: rabbit", None),
        ("C)", None),
        ("The correct answer is (C) cat because the ears are pointed.", "C"),
        ("DNA is not visible", "A"),
        ("A cute teddy bear is the main object in image", "A"),
        ("B\n\nExplanation: A is a distractor.", "A"),
        ("(A) and then B", "A"),
        ("rabbit", None),
        ("The image shows a dog, not a cat, near the door", "C"),
        ("The correct answer is d", None),
        ("<think>It could be A or C</think>\nB", "A"),
    ],
)
def test_mmmu_choice(response: str, letter: str | None) -> None:
    verdict = lmms_eval.mmmu_choice(response, ANIMALS, ["B"])
    assert verdict == (letter, None if letter is None else letter == "B", letter is None)


@pytest.mark.parametrize(
    ("response", "gold", "correct"),
    [
        ("0.29", "0.286", True),
        ("0.015625", "1/64", False),
        ("10%", "0.10", False),
        ("minus 120", "-120", False),
        ("0.1", "0.10", True),
        ("point C in the figure", "C", True),
        ("Structure C is correct", "C", False),
        ("x = 4\n\nSo the area is 1,200", "1200", True),
        ("1.2e3", "1200", True),
        ("x = 24", "24", True),
        ("x = 24\nThat is it", "24", False),
        ("It is magnesium sulfide, MgS.", "MgS", True),
    ],
)
def test_mmmu_open(response: str, gold: str, correct: bool) -> None:
    assert lmms_eval.mmmu_open(response, [gold]).correct is correct


def test_mmmu_open_of_list_golds_takes_any() -> None:
    assert lmms_eval.mmmu_open("Florida", ["Tampa", "Florida"]).correct


def test_mmmu_candidates_are_tails_and_numbers() -> None:
    assert lmms_eval.mmmu_candidates("The result is 1,234.567 m") == ["1,234.567 m", 1234.0, 234.57]
    assert lmms_eval.mmmu_candidates("C") == [" c", "c "]


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("B", "B"),
        ("A", "A"),
        ("I say B", "B"),
        ("A cat and a dog sit there", None),
        ("A big cat sits there", "C"),
        ("A or B", None),
        ("(C).", "C"),
        ("answer :D", "D"),
        ("B) is right, not (C)", "B"),
        ("a Rabbit", "B"),
        ("**B**", None),
        ("E", "E"),
        (lmms_eval.API_FAILURE, None),
    ],
)
def test_mmbench_row(response: str, letter: str | None) -> None:
    assert lmms_eval.mmbench_row(response, ANIMALS, ["B"]).parsed == letter


def test_mmbench_static_row_falls_back_to_the_extractor_and_never_to_a_judge() -> None:
    assert lmms_eval.mmbench_static_row("**B**", ANIMALS, ["B"]) == ("B", True, False)
    assert lmms_eval.mmbench_static_row(lmms_eval.API_FAILURE, ANIMALS, ["A"]) == ("A", True, False)
    assert lmms_eval.mmbench_static_row("?", ANIMALS, ["A"]) == (None, False, False)
    assert lmms_eval.mmbench_static_row("**D**", ["x", "y", None, None], ["D"]).parsed is None


def row(index: int, response: str, gold: str = "B") -> dict[str, object]:
    return {"index": index, "options": ANIMALS, "gold": [gold], "response": response}


def test_mmbench_circular_needs_every_rotation() -> None:
    assert lmms_eval.mmbench_circular([row(3, "B"), row(1_000_003, "**C**", "C")]).correct is True
    assert lmms_eval.mmbench_circular([row(3, "B"), row(1_000_003, "B", "C")]).correct is False


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("A car is on the left, so B", "A"),
        ("A, B or C? C", "A"),
        ("B because a car is on the left", "B"),
        ("Neither A nor B; it is C", "C"),
        ("The best option is C, although B is near", "B"),
        ("I choose (D)", "D"),
        ("", None),
        ("...", None),
        ("no letter at all", None),
        ("xBx", "B"),
    ],
)
def test_letter_extractor(response: str, letter: str | None) -> None:
    assert lmms_letters.extract_letter(response, "ABCD") == letter


@pytest.mark.parametrize(
    ("response", "gold", "correct"),
    [
        ("B", "B", True),
        ("The answer is B.", "b", True),
        ("three", "3", False),
        ("25 mph", "25", False),
        ("Yes, there is.", "Yes", False),
        ("**No**", "No", False),
        ("Yes.", "Yes", True),
        (" DOWNHILL. ", "Downhill", True),
        ("DOWNHILL.", "Downhill", True),
    ],
)
def test_realworldqa(response: str, gold: str, correct: bool) -> None:
    assert lmms_eval.realworldqa(response, [gold]).correct is correct


@pytest.mark.parametrize(
    ("answer", "gold", "correct"),
    [
        ("\\frac{1}{2}", "0.5", True),
        ("14 cm", "14", True),
        ("30", "30^\\circ", True),
        ("x=5", "5", True),
        ("0.015625", "1/64", True),
        ("\\sqrt{12}", "2\\sqrt{3}", False),
        ("$\\sqrt{12}$", "$2\\sqrt{3}$", True),
        ("3.429", "24/7", False),
        ("Yes", "yes", False),
        ("(C) 60", "C", True),
        ("D", "Dark red", True),
        ("A then B", "A", True),
    ],
)
def test_reasoning(answer: str, gold: str, correct: bool) -> None:
    assert lmms_reasoning.reasoning(f"<think>1 + 1</think><answer>{answer}</answer>", [gold]).correct is correct


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>1</answer><answer>2</answer>\\boxed{3}", "1"),
        ("\\boxed{1} and \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{x", ""),
        ("so 3.5.\nThat is it", "3.5"),
        ("B", ""),
    ],
)
def test_reasoning_extracts(text: str, answer: str) -> None:
    assert lmms_reasoning.extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("<think>a</think> <answer>1</answer>", 1.0),
        ("<analysis>a</analysis><answer>1</answer>", 1.0),
        ("say \\boxed{1}", 1.0),
        ("The sum of the two numbers that you see is 3 + 4 = 7", 0.8),
        ("3 + 4 = 7", 0.0),
        ("The sum of the two numbers that you see there is seven", 0.0),
    ],
)
def test_format_score(text: str, score: float) -> None:
    assert lmms_reasoning.format_score(text) == score


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("<think>a</think>B", "B"),
        ("A<think>a</think>B<think>b</think> C ", "AB C"),
        ("a</think>b</think> B", "B"),
        ("B <think>a", "B <think>a"),
        ("<THINK>a</THINK>B", "<THINK>a</THINK>B"),
        ("<analysis>a</analysis>B", "B"),
        ("</think>a<think>B", "</think>a<think>B"),
    ],
)
def test_strip_thinking(text: str, rest: str) -> None:
    assert lmms_eval.strip_thinking(text) == rest


@given(st.text(alphabet="AB{}\\boxed ", max_size=60))
def test_last_box_is_balanced(text: str) -> None:
    content = lmms_reasoning.last_boxed(text)
    assert content.count("{") == content.count("}")
    assert f"\\boxed{{{content}}}" in text or content == ""
