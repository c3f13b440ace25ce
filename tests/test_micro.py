"""The micro world: what is true, what is said, what the oracle makes of it."""

import csv
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from micro_sizes import micro_size

from dreamr.errors import UserError
from dreamr.micro import oracle
from dreamr.micro.datasets import Fact, altered, write_all
from dreamr.micro.drawing import CELL, draw, samples
from dreamr.micro.steps import LOOK_ALIKE, RIGHT, Style, canonical, rambling, terse
from dreamr.micro.world import Grid, Selection, Truth, random_truth
from dreamr.prompts import STEP_BREAK
from dreamr.records import read_rows
from zoo.lessons import comparison, continuation, differing, judgement, remaining, steps_text, tasks
from zoo.mistakes import mistaken

# Machines that also train are slow now and then: no deadline for one example.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

truths = st.integers(0, 2**32).map(lambda seed: random_truth(np.random.default_rng(seed)))
seeds = st.integers(0, 2**32).map(np.random.default_rng)

GRID = Grid(
    digits=((3, 7, 2), (4, 5, 1)),
    inks=(("red", "blue", "red"), ("green", "red", "blue")),
    marks=(("grey", "", "grey"), ("", "grey", "")),
)
ROW = Truth(
    grids=(GRID,),
    selection=Selection(by="row", value="1"),
    reduction="sum",
    finish="option",
    options=("12", "10", "15", "11"),
)
GREY = Truth(grids=(GRID,), selection=Selection(by="mark", value="grey"), reduction="largest", finish="value")


def test_canonical_steps_of_a_row():
    assert terse(canonical(ROW)) == [
        "Find the sum of row 1.",
        "Row 1 column 1 is 3.",
        "Row 1 column 2 is 7.",
        "Row 1 column 3 is 2.",
        "3 + 7 = 10.",
        "10 + 2 = 12.",
        "A 12 yes, B 10 no, C 15 no, D 11 no.",
        "Answer: A",
    ]


def test_canonical_steps_of_a_mark():
    assert terse(canonical(GREY))[1:] == [
        "Row 1 column 1 is 3.",
        "Row 1 column 3 is 2.",
        "Row 2 column 2 is 5.",
        "No more grey.",
        "Larger of 3 and 2 is 3.",
        "Larger of 3 and 5 is 5.",
        "Answer: 5",
    ]


@pytest.mark.parametrize(
    ("truth", "step", "right"),
    [
        (ROW, "In row 1 and column 2 I can see 7.", True),
        (ROW, "In row 1 and column 2 I can see 1.", False),
        (ROW, "Row 2 column 1 is 4.", False),  # true of the image, not of this question
        (ROW, "The sum is 12.", True),
        (ROW, "So all in all the sum is 10.", False),
        (ROW, "7 + 3 = 10.", False),  # not in the question's order
        (ROW, "A 12 yes, B 10 no, C 15 yes, D 11 no.", False),
        (ROW, "A 12 yes, B 10 no.", False),
        (ROW, "Answer: A", True),
        (ROW, "Answer: 12", False),
        (ROW, "Let me look again.", True),
        (ROW, "Row 1 column 1 is 3", False),
        (ROW, "I like digits.", False),
        (ROW, "", False),
        (ROW, "No more row 1.", False),  # a row is not searched
        (GREY, "No more grey.", True),
        (GREY, "No more yellow.", False),
    ],
)
def test_oracle(truth, step, right):
    assert oracle.is_right(truth, step) is right


def test_no_more_is_right_only_when_all_are_read():
    read = terse(canonical(GREY))[1:4]
    assert oracle.is_right(GREY, "No more grey.", read)
    assert not oracle.is_right(GREY, "No more grey.", read[:2])


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Row 1 column 1 is 3.", "Looking at row 1 column 1, I think it is 3.", True),
        ("Row 1 column 1 is 3.", "Row 1 column 1 is 8.", False),
        ("3 + 7 = 10.", "The sum is 10.", True),
        ("Let me look again.", "So far so good.", True),
        ("nonsense", "nonsense", False),
    ],
)
def test_same_claim(first, second, same):
    assert oracle.same(first, second) is same


@given(truths, seeds)
def test_right_steps_are_right_in_every_style(truth, rng):
    answer = [words for _, words in rambling(truth, RIGHT, rng)]
    for steps in (terse(canonical(truth)), answer):
        assert all(oracle.is_right(truth, step, steps[:k]) for k, step in enumerate(steps))
    assert answer[-1] == f"Answer: {truth.gold}"


@given(truths, seeds)
def test_mistakes_are_wrong(truth, rng):
    for claim in canonical(truth):
        wrong = mistaken(truth, claim, rng)
        assert wrong is not None
        assert not oracle.is_right(truth, wrong.say())


@given(truths, seeds)
def test_an_answer_goes_on_where_right_steps_end(truth, rng):
    said = rambling(truth, RIGHT, rng)
    kept = [claim for claim, _ in said[: int(rng.integers(len(said)))]]
    rest = terse(remaining(truth, kept))
    assert rest[-1] == f"Answer: {truth.gold}"
    assert len([claim for claim in kept if claim.kind != "filler"]) + len(rest) <= len(canonical(truth))


@given(truths)
def test_options_hold_the_result_once(truth):
    if truth.finish == "option":
        assert len(set(truth.options)) == len(truth.options)
        assert truth.options["ABCD".index(truth.gold)] == str(truth.total)


@given(seeds)
@settings(max_examples=20)
def test_lessons_ask_what_the_oracle_answers(rng):
    for task in tasks("train", int(rng.integers(1000)), 1, ["realworldqa", "mmmu"]):
        asked = judgement(task, rng)
        steps = asked.prompt.answer.removesuffix(STEP_BREAK).split(STEP_BREAK)
        right = oracle.is_right(task.truth, steps[-1])
        premature = steps[-1].startswith("No more") or steps[-1].startswith("I can see that")
        assert premature or right is (asked.learn in ("positive", "8", "9"))
        pair = comparison(task, rng)
        last = pair.prompt.answer.removesuffix(STEP_BREAK).split(STEP_BREAK)[-2:]
        assert oracle.same(*last) is (pair.learn == "aligned")
        assert asked.judged is not None
        assert asked.prompt.answer[slice(*asked.judged)] == asked.prompt.answer
        wrong = [asked.prompt.answer[:a].count(STEP_BREAK) for a, _ in asked.wrong]
        assert all(oracle.is_right(task.truth, step) for k, step in enumerate(steps) if k not in wrong)
        assert continuation(task, rng).learn.endswith(f"Answer: {task.truth.gold}")


def test_differing_words():
    assert differing("Row 2 column 1 is 3.", "Row 2 column 1 is 4.") == ((18, 20),)
    pairs = {"Find the sum of red.": "Find the sum of row 1.", "No more grey.": "Row 1 column 2 is 7."}
    marked = [[found[a:b] for a, b in differing(expected, found)] for expected, found in pairs.items()]
    assert marked == [["row", "1."], ["1", "2", "7."]]
    assert differing("Row 1 column 2 is 7.", "No more grey.") == ((0, 2), (3, 7), (8, 13))
    assert differing("Find red.", "Find red.") == ()


def test_haste_misreads_look_alikes_in_wordy_readings_and_omits_the_last_digit_in_leaps():
    rng = np.random.default_rng(0)
    drawn = [truth for truth in (random_truth(rng) for _ in range(800)) if len(truth.running) > 1]
    answers = [rambling(truth, Style(leap=2.0, misread=0.8, omit=0.6), rng) for truth in drawn]
    said = [(truth, each, words) for truth, answer in zip(drawn, answers, strict=True) for each, words in answer]
    read = [(truth, each, words) for truth, each, words in said if each.kind == "read"]
    wrong = {words for truth, _, words in read if not oracle.is_right(truth, words)}
    alike = [words for truth, each, words in read if str(truth.digit(_cell(each))) in LOOK_ALIKE]
    wordy = [words for words in alike if not words.startswith("Row")]
    assert wrong <= set(wordy)
    assert np.mean([words in wrong for words in wordy]) == pytest.approx(0.8, abs=0.05)
    leaps = [_leap(answer) for answer in answers]
    omitted = [leap == result[-2] for leap, result in leaps if result[-2] != result[-1]]
    assert np.mean(omitted) == pytest.approx(0.6, abs=0.07)
    assert all(leap in result[-2:] for leap, result in leaps)


def _cell(read):
    return int(read["row"]), int(read["column"])


def _leap(answer):
    """The result that an answer leaps to, and the running results of the digits that it read."""
    read = [int(each["what"]) for each, _ in answer if each.kind == "read"]
    total = next(each for each, _ in answer if each.kind == "total")
    return int(total["value"]), list(accumulate(read, max if total["reduction"] == "largest" else None))


def test_handwriting_of_test_and_training_is_disjoint():
    for digit in range(10):
        seen = {image.tobytes() for image in samples("train")[digit]}
        assert not seen & {image.tobytes() for image in samples("test")[digit]}
        assert (samples("planted")[digit] == samples("test")[digit]).all(), "else they differ by more than their copies"


def test_images_have_one_cell_a_token():
    image = draw(GRID, "test", np.random.default_rng(0))
    assert image.size == (3 * CELL, 2 * CELL)
    for kind in ("exact", "resized", "recoloured"):
        other = altered(image, kind, np.random.default_rng(0))
        for unit in (28, 32):
            assert (round(other.width / unit), round(other.height / unit)) == (3, 2)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("micro")
    write_all(folder, micro_size(7, 20, 24))
    return folder


def test_every_question_has_its_truth(world):
    for truth_file in world.glob("*/truth.jsonl"):
        facts = list(read_rows(truth_file, Fact))
        assert facts
        assert len({fact.id for fact in facts}) == len(facts)
    assert len(list(world.glob("*/*.parquet"))) == 7


def test_a_benchmark_is_as_large_as_it_says(world):
    """In problems, of which MathVerse and MMBench ask several questions each."""
    size = micro_size(7, 20, 24)
    asked = {path.parent.name: len(path.read_text().splitlines()) for path in world.glob("*/truth.jsonl")}
    assert all(asked[name] == size.questions(name) for name in ("mathverse", "realworldqa", "mmmu"))
    assert 3 * size.clusters.mmbench <= asked["mmbench"] <= size.questions("mmbench")


def test_planted_questions_are_in_both(world):
    with (world / "planted.csv").open() as file:
        plants = list(csv.DictReader(file))
    assert {plant["benchmark"] for plant in plants} == {"mathverse", "mmbench", "realworldqa"}
    for plant in plants:
        sides = (plant["benchmark"], plant["question"]), (plant["training_set"], plant["training_question"])
        here, there = (
            next(fact for fact in read_rows(world / name / "truth.jsonl", Fact) if fact.id == question).truth
            for name, question in sides
        )
        assert here.grids == there.grids
        assert here.question == there.question


def test_the_same_seed_gives_the_same_world(world, tmp_path):
    write_all(tmp_path, micro_size(7, 20, 24))
    for path in world.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / path.relative_to(world)).read_bytes()


def test_a_training_set_too_small_for_what_is_planted_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"micro.training_questions gives ocr_vqa 3 rows, and 4 of the benchmarks'"):
        write_all(tmp_path, micro_size(7, 16, 8))


def test_steps_are_separated_by_blank_lines():
    assert steps_text(["a", "b"]) == "a\n\nb"
