"""Each adapter on rows with the traps of the real data sets, and on the micro data sets through the common loader."""

import pytest
from micro_sizes import micro_size
from PIL import Image

from dreamr.config import DataSpec
from dreamr.config.data import GENERATED
from dreamr.data import geometry3k, mathverse, mmbench, mmmu, ocr_vqa, realworldqa, scienceqa
from dreamr.data.loading import load_questions
from dreamr.data.rows import Album
from dreamr.errors import UserError
from dreamr.micro.datasets import SPLITS, Fact, write_all
from dreamr.prompts import END_LETTER, END_VALUE, question_prompt
from dreamr.records import IMAGE_MARK, read_rows
from dreamr.scoring.answers import grade

IMAGE = Image.new("RGB", (60, 30), "red")


def one(adapter, row, number=0):
    questions = list(adapter.questions(row, number, lambda image: "images/x.png"))
    assert len(questions) == 1
    return questions[0]


MATHVERSE = {
    "sample_index": "7",
    "problem_index": "2",
    "problem_version": "Text Lite",
    "question": "Find x.\nChoices:\nA:12°\nB: 17\nC:x=3",
    "image": IMAGE,
    "answer": "B",
    "question_type": "multi-choice",
    "metadata": {"split": "testmini", "source": "Geometry3K", "subject": "Plane Geometry", "subfield": "Angle"},
    "query_wo": "",
    "query_cot": "Read the question in the image.\nChoices:\nA:1\nB:2",
    "question_for_eval": "Find x.",
}


def test_mathverse_options_are_lines_of_the_question():
    question = one(mathverse, MATHVERSE)
    assert question.options == ("12°", "17", "x=3")
    assert question.prompt == f"{IMAGE_MARK}Find x.\nA. 12°\nB. 17\nC. x=3"
    assert (question.gold, question.cluster, question.version, question.origin) == (
        ("B",),
        "2",
        "Text Lite",
        "Geometry3K",
    )


def test_mathverse_vision_only_reads_the_query():
    row = MATHVERSE | {"problem_version": "Vision Only", "question": ""}
    assert one(mathverse, row).prompt == f"{IMAGE_MARK}Read the question in the image.\nA. 1\nB. 2"


WITH_IMAGE = MATHVERSE | {
    "problem_version": "Vision Only",
    "question": "",
    "answer": "D",
    "query_cot": "First perform reasoning, then finally select the question from the choices in the following format: "
    "Answer: xxx.",
    "question_for_eval": "Find the angle.\nChoices:\nA:70°\nB:60°\nC:50°\nD:40°",
}


def test_mathverse_options_in_the_image_are_graded_and_not_printed():
    question = one(mathverse, WITH_IMAGE)
    assert question.prompt == IMAGE_MARK + WITH_IMAGE["query_cot"]
    assert (question.options, question.gold) == (("70°", "60°", "50°", "40°"), ("D",))
    assert question_prompt(question, "").user.endswith(END_LETTER)
    assert grade(question, "So it is small.\n\nAnswer: 40°").correct
    assert grade(question, "So it is small.\n\nAnswer: D").correct
    assert not grade(question, "So it is small.\n\nAnswer: 50°").correct


@pytest.mark.parametrize("told", [None, "", "Find the angle."])
def test_mathverse_without_told_options_asks_for_a_value(told):
    question = one(mathverse, WITH_IMAGE | {"question_for_eval": told, "answer": "40°", "question_type": "free-form"})
    assert (question.options, question.gold) == ((), ("40°",))
    assert question_prompt(question, "").user.endswith(END_VALUE)
    bare = {name: value for name, value in WITH_IMAGE.items() if name != "question_for_eval"}
    assert one(mathverse, bare).options == ()


@pytest.mark.parametrize(
    ("answer", "choice", "gold"),
    [
        ("(C)", True, ("C",)),
        ("C\nD", True, ("C", "D")),
        ("False", True, ("False",)),
        ("777 ", False, ("777",)),
        ("$=(4,0)$", False, ("(4,0)",)),
        ("230 ^\\circ T", False, ("230 ^\\circ T",)),
    ],
)
def test_mathverse_golds(answer, choice, gold):
    assert mathverse.gold(answer, choice) == gold


MMBENCH = {
    "index": 2000241,
    "question": "Which?",
    "hint": "nan",
    "answer": "A",
    "A": "one",
    "B": "two",
    "C": None,
    "D": "",
    "category": "identity",
    "image": IMAGE,
    "source": "scienceqa",
    "L2-category": "x",
    "comment": None,
    "split": "dev",
}


def test_mmbench_rotation_and_missing_options():
    question = one(mmbench, MMBENCH)
    assert question.options == ("one", "two")
    assert (question.id, question.cluster, question.version) == ("2000241", "241", "rotation 2")
    assert question.prompt == f"{IMAGE_MARK}Which?\nA. one\nB. two"
    assert one(mmbench, MMBENCH | {"index": "241", "hint": "Look."}).prompt.startswith(f"{IMAGE_MARK}Look.\nWhich?")


@pytest.mark.parametrize(
    ("text", "prompt", "options"),
    [
        (
            "Which way?\n\nA. Left\nB. Right\n\nPlease answer directly with only the letter of the correct option "
            "and nothing else.",
            "Which way?\nA. Left\nB. Right",
            ("Left", "Right"),
        ),
        ("How many?\nPlease answer directly with a single word or number.", "How many?", ()),
        ("Is it near? Please answer with a single word or phrase.", "Is it near?", ()),
    ],
)
def test_realworldqa_instruction_is_removed(text, prompt, options):
    question = one(realworldqa, {"image": IMAGE, "question": text, "answer": " B "}, number=5)
    assert question.prompt == IMAGE_MARK + prompt
    assert (question.options, question.gold, question.id) == (options, ("B",), "5")


MMMU = {
    "id": "validation_Math_15",
    "question": "Compare <image 2> with <image 1>.",
    "options": "['as in <image 1>', 'no', \"it's 3\", '4', '5']",
    "answer": "E",
    "question_type": "multiple-choice",
    **{f"image_{k}": IMAGE if k < 3 else None for k in range(1, 8)},
    "subfield": "Algebra",
}


def test_mmmu_images_where_the_text_names_them():
    question = one(mmmu, MMMU)
    assert len(question.images) == question.prompt.count(IMAGE_MARK) == 3
    assert question.options[2] == "it's 3"
    assert question.prompt.endswith("D. 4\nE. 5")


def test_mmmu_unnamed_image_comes_first_and_golds_are_lists():
    row = MMMU | {"question": "What?", "options": "[]", "answer": "['24/7', '3.429']", "image_2": None}
    question = one(mmmu, row)
    assert question.prompt == f"{IMAGE_MARK}What?"
    assert question.gold == ("24/7", "3.429")


def test_mmmu_names_an_image_that_is_missing():
    with pytest.raises(UserError, match=r"mmmu, row 3, column image_1"):
        one(mmmu, MMMU | {"image_2": None}, number=3)


def test_geometry3k_mark_is_kept_once():
    row = {"images": [IMAGE], "problem": "<image>Find x.", "answer": "12 ", "id": 17}
    assert one(geometry3k, row).prompt == f"{IMAGE_MARK}Find x."
    assert one(geometry3k, row | {"problem": "Find x."}).prompt == f"{IMAGE_MARK}Find x."
    assert one(geometry3k, row).gold == ("12",)


def test_ocr_vqa_has_several_questions_an_image():
    row = {"image": IMAGE, "image_id": "15", "questions": ["How many?", "Is it?"], "answers": ["3", "Yes"]}
    questions = list(ocr_vqa.questions(row, 0, lambda image: "x"))
    assert [question.id for question in questions] == ["15-0", "15-1"]
    assert {question.cluster for question in questions} == {"15"}
    with pytest.raises(UserError, match="answers"):
        list(ocr_vqa.questions(row | {"answers": ["3"]}, 0, lambda image: "x"))


def test_scienceqa_answer_is_an_index_and_text_only_rows_are_left_out():
    row = {"image": IMAGE, "question": "Which?", "choices": ["a", "b"], "answer": 1, "hint": ""}
    assert one(scienceqa, row).gold == ("B",)
    assert list(scienceqa.questions(row | {"image": None}, 0, lambda image: "x")) == []


@pytest.mark.parametrize(
    ("adapter", "row", "message"),
    [
        (mathverse, MATHVERSE | {"question_type": "essay"}, r"mathverse, row 4, column question_type: found 'essay'"),
        (mathverse, MATHVERSE | {"image": None}, r"column image: found None"),
        (mmbench, MMBENCH | {"answer": "D"}, r"mmbench, row 4, column answer: found 'D', expected one of A, B"),
        (mmmu, MMMU | {"options": "[1, 2"}, r"mmmu, row 4, column options: found '\[1, 2', expected a Python list"),
        (realworldqa, {"image": IMAGE, "question": "x"}, r"realworldqa, row 4, column answer: found None"),
        (scienceqa, {"image": IMAGE, "question": "x", "choices": ["a"], "answer": 1}, r"column answer: found 1"),
    ],
)
def test_a_row_that_breaks_its_schema_stops(adapter, row, message):
    with pytest.raises(UserError, match=message):
        one(adapter, row, number=4)


def test_album_keeps_an_image_once(tmp_path):
    album = Album(tmp_path)
    assert album(IMAGE) == album(IMAGE.copy())
    assert album(IMAGE) != album(Image.new("RGB", (30, 60), "red"))
    assert len(list((tmp_path / "images").iterdir())) == 2


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("micro")
    write_all(folder, micro_size(3, 20, 24))
    return folder


@pytest.mark.parametrize("name", GENERATED)
def test_micro_data_sets_load_and_match_their_truth(name, world, tmp_path):
    spec = DataSpec(adapter=name, path=str(world / name), split=SPLITS.get(name, "train"))
    questions = load_questions(name, spec, tmp_path)
    truths = {fact.id: fact.truth for fact in read_rows(world / name / "truth.jsonl", Fact)}
    assert {question.id for question in questions} == set(truths)
    for question in questions:
        assert question.gold[0] == truths[question.id].gold
        assert question.prompt.count(IMAGE_MARK) == len(question.images) > 0
        assert all((tmp_path / image).exists() for image in question.images)
        assert "Please answer" not in question.prompt


def test_limit_counts_questions(world, tmp_path):
    spec = DataSpec(adapter="ocr_vqa", path=str(world / "ocr_vqa"), split="train", limit=3)
    assert len(load_questions("ocr_vqa", spec, tmp_path)) == 3


def test_a_missing_split_is_named(world, tmp_path):
    spec = DataSpec(adapter="mmmu", path=str(world / "mmmu"), split="test")
    with pytest.raises(UserError, match=r"no file test\*\.parquet, .* it holds \['truth.jsonl', 'valid"):
        load_questions("mmmu", spec, tmp_path)
