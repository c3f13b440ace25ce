"""Rows of the seven micro data sets, in the columns of the hub data sets they stand for.

Each maker yields a row and the truths behind its questions, in the order in which the data set's adapter reads them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dreamr.micro.drawing import CELL, draw
from dreamr.micro.world import LETTERS, MARKED, Selection, Truth, chosen, finished, marked, random_options, random_truth

Row = dict[str, Any]
Made = tuple[Row, list[Truth]]
Maker = Callable[[np.random.Generator, str, int], Iterator[Made]]
Copy = tuple[Truth, Any]  # a question and its image that another data set holds as well

ROTATION = 1_000_000  # between the indices of one question\'s rotations, as in MMBench
VERSIONS = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")
BY_LETTER = "Please answer directly with only the letter of the correct option and nothing else."
BY_WORD = "Please answer directly with a single word or number."


def mathverse(rng: np.random.Generator, part: str, number: int) -> Iterator[Made]:
    """One problem in its five versions. Grey cells are to be summed; of yellow ones the largest counts."""
    truth = random_truth(rng, ("value", "option"))
    while len(truth.cells) != MARKED:
        truth = random_truth(rng, ("value", "option"))
    source = str(rng.choice(["GeoQA", "GEOS", "Geometry3K" if part == "planted" else "Functions_collected"]))
    seed = int(rng.integers(2**31))
    for k, version in enumerate(VERSIONS):
        shown = _shown(truth, version)
        image = draw(shown.grids[0], part, np.random.default_rng(seed))
        yield _mathverse_row(shown, version, f"{number * 5 + k + 1}", f"{number + 1}", source, image), [shown]


def _shown(truth: Truth, version: str) -> Truth:
    """The truth with the selection marked in the image, in the versions that move it there."""
    if version not in ("Vision Dominant", "Vision Only"):
        return truth
    mark = "grey" if truth.reduction == "sum" else "yellow"
    grid = marked(truth.grids[0], truth.cells, mark)
    return truth.model_copy(update={"grids": (grid,), "selection": Selection(by="mark", value=mark)})


def _mathverse_row(truth: Truth, version: str, index: str, problem: str, source: str, image: Any) -> Row:
    described = {"Text Dominant": f"The picture shows {_spelt(truth)}. ", "Text Lite": "The picture shows digits. "}
    choices = "".join(f"\n{letter}:{text}" for letter, text in zip(LETTERS, truth.options, strict=False))
    tail = f"\nChoices:{choices}" if choices else ""
    asked = described.get(version, "") + truth.question + tail
    generic = "Answer the question in the picture." + tail
    hidden = version == "Vision Only"
    return {
        "sample_index": index,
        "problem_index": problem,
        "problem_version": version,
        "question": "" if hidden else asked,
        "image": image,
        "answer": truth.gold,
        "question_type": "multi-choice" if choices else "free-form",
        "metadata": {"split": "testmini", "source": source, "subject": "Digits", "subfield": truth.reduction},
        "query_wo": generic if hidden else asked,
        "query_cot": generic if hidden else asked,
        "question_for_eval": asked,
    }


def _spelt(truth: Truth) -> str:
    return " / ".join(" ".join(map(str, row)) for row in truth.grids[0].digits)


def mmbench(rng: np.random.Generator, part: str, number: int) -> Iterator[Made]:
    """One base question in as many rotations as it has options."""
    truth = finished(random_truth(rng, finishes=("option",)), rng, options=int(rng.choice([4, 4, 3])))
    image = draw(truth.grids[0], part, rng)
    missing = [None, "", "nan"][number % 3]
    hint = str(rng.choice(["The picture is a grid of digits.", "Look at the digits."])) if number % 2 else missing
    for k in range(len(truth.options)):
        turned = truth.model_copy(update={"options": truth.options[k:] + truth.options[:k]})
        letters = dict.fromkeys(LETTERS, missing) | dict(zip(LETTERS, turned.options, strict=False))
        row = {"index": number + 241 + k * ROTATION, "question": turned.question, "hint": hint, "answer": turned.gold}
        rest = {
            "category": f"{truth.reduction}_reasoning",
            "image": image,
            "L2-category": "reasoning",
            "comment": None,
        }
        source = "scienceqa" if part == "planted" else "micro"
        yield row | letters | rest | {"source": source, "split": "dev"}, [turned]


def realworldqa(rng: np.random.Generator, part: str, number: int) -> Iterator[Made]:
    truth = random_truth(rng)
    lines = [f"{letter}. {text}" for letter, text in zip(LETTERS, truth.options, strict=False)]
    instruction = BY_LETTER if lines else BY_WORD
    question = "\n".join([truth.question, "", *lines, *([""] if lines else []), instruction])
    yield {"image": draw(truth.grids[0], part, rng), "question": question, "answer": truth.gold}, [truth]


def mmmu(rng: np.random.Generator, part: str, number: int) -> Iterator[Made]:
    """A third with two images, a third open; marks before the question, or none."""
    finishes = ("value",) if rng.random() < 1 / 3 else ("option",)
    two = rng.random() < 1 / 3
    truth = random_truth(rng, finishes, 2 if two else 1)
    drawn = [draw(grid, part, rng) for grid in truth.grids]
    marks = "".join(f"<image {k}> " for k in range(1, len(drawn) + 1)) if two or number % 2 else ""
    images = {f"image_{k}": drawn[k - 1] if k <= len(drawn) else None for k in range(1, 8)}
    gold = str([truth.gold, f"{truth.gold}.0"]) if finishes == ("value",) and number % 4 == 0 else truth.gold
    yield (
        {
            "id": f"validation_Digits_{number + 1}",
            "question": marks + truth.question,
            "options": str(list(truth.options)),
            "explanation": "",
            **images,
            "img_type": "['Tables']",
            "answer": gold,
            "topic_difficulty": "Easy",
            "question_type": "multiple-choice" if truth.options else "open",
            "subfield": truth.selection.by,
        },
        [truth],
    )


def _fresh(rng: np.random.Generator, part: str, finishes: tuple[str, ...]) -> Copy:
    truth = random_truth(rng, finishes=finishes)
    return truth, draw(truth.grids[0], part, rng)


def geometry3k(rng: np.random.Generator, part: str, number: int, copy: Copy | None = None) -> Iterator[Made]:
    truth, image = copy or _fresh(rng, part, ("value",))
    truth = truth.model_copy(update={"finish": "value", "options": ()})
    choices = random_options(rng, truth.total)
    yield (
        {
            "images": [image],
            "problem": f"<image>{truth.question}",
            "answer": truth.gold,
            "id": number,
            "choices": list(choices),
            "ground_truth": LETTERS[choices.index(truth.gold)],
        },
        [truth],
    )


def ocr_vqa(rng: np.random.Generator, part: str, number: int, copy: Copy | None = None) -> Iterator[Made]:
    """One image, two or three questions."""
    first, image = copy or _fresh(rng, part, ("value", "compare"))
    grid, truths = first.grids[0], [first]
    for _ in range(int(rng.integers(1, 3))):
        row = Selection(by="row", value=str(rng.integers(1, len(grid.digits) + 1)))
        finish, reduction = chosen(rng, ["value", "compare"]), chosen(rng, ["sum", "largest"])
        truths.append(finished(Truth(grids=(grid,), selection=row, reduction=reduction, finish=finish), rng))
    words = {"ocr_tokens": [str(d) for line in grid.digits for d in line], "ocr_info": []}
    empty = dict.fromkeys(["title", "authorName", "genre", "image_url"], "")
    size = {"image_width": CELL * len(grid.digits[0]), "image_height": CELL * len(grid.digits)}
    asked = {"questions": [truth.question for truth in truths], "answers": [truth.gold for truth in truths]}
    yield {"image": image, "image_id": f"{number}", **asked, **words, **empty, **size, "set_name": "train"}, truths


def scienceqa(rng: np.random.Generator, part: str, number: int, copy: Copy | None = None) -> Iterator[Made]:
    """Every twelfth row is text only, as about half of the real ones are."""
    truth, image = copy or _fresh(rng, part, ("option",))
    text_only = copy is None and number % 12 == 11
    question = f"Which number is {truth.total}?" if text_only else truth.question
    image = None if text_only else image
    hint = "Look at the digits." if number % 3 == 0 else ""
    empty = dict.fromkeys(["topic", "category", "skill", "lecture", "solution"], "")
    answer = {"choices": list(truth.options), "answer": LETTERS.index(truth.gold), "hint": hint}
    kind = {"task": "closed choice", "grade": "grade2", "subject": "natural science"}
    yield {"image": image, "question": question, **answer, **kind, **empty}, [] if text_only else [truth]


BENCHMARKS: dict[str, Maker] = {"mathverse": mathverse, "mmbench": mmbench, "realworldqa": realworldqa, "mmmu": mmmu}
TRAINING_SETS: dict[str, Maker] = {"geometry3k": geometry3k, "ocr_vqa": ocr_vqa, "scienceqa": scienceqa}
MAKERS = BENCHMARKS | TRAINING_SETS
