"""The contamination audit, on constructed items and on the micro world's planted copies."""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dreamr.cli.audit import main as audit_command
from dreamr.cli.prepare import main as prepare_command
from dreamr.config import Drawing
from dreamr.data.contamination import (
    Hashes,
    Side,
    exposed,
    names_source,
    near_images,
    overlaps,
    same_wordings,
    side,
    text_share,
    touched_clusters,
)
from dreamr.data.plants import read_plants
from dreamr.data.sampling import asked, copies, drawn
from dreamr.errors import UserError
from dreamr.planning.jobs import AuditJob, Draw
from dreamr.records import Question

SPLITS = {"mathverse": "testmini", "mmbench": "dev", "realworldqa": "test", "mmmu": "validation"}
TRAINING_SETS = ("geometry3k", "ocr_vqa", "scienceqa")
LONG = "A train leaves the station at noon and travels north at sixty miles an hour while another leaves from the city"


def question(number: int, prompt: str = "Which?", origin: str = "", images: tuple[str, ...] = ()) -> Question:
    fields: dict[str, Any] = {"dataset": "d", "prompt": prompt, "images": images, "gold": ("1",), "origin": origin}
    return Question(id=str(number), cluster=f"c{number}", **fields)


def without_images(name: str, *questions: Question) -> Side:
    return side(name, questions, Path(), {})


def test_images_resized_and_recoloured_are_found_and_others_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "ab":
        noise = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((128, 96), Image.Resampling.BICUBIC).save(tmp_path / f"{name}.png")
    Image.open(tmp_path / "a.png").resize((160, 120)).point(lambda value: value * 0.9).save(
        tmp_path / "c.jpg", quality=80
    )
    known: dict[str, Hashes] = {}
    benchmark = side("bench", [question(0, images=("a.png",)), question(1, images=("b.png",))], tmp_path, known)
    training = side("train", [question(7, images=("c.jpg",))], tmp_path, known)
    (found,) = overlaps(benchmark, training)
    assert (found.question, found.training_question, found.by_image) == ("0", "7", True)
    assert (found.by_text, found.by_source) == (False, False)
    assert touched_clusters([found]) == {"bench": {"c0"}}


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=6), st.integers(0, 255))
def test_distances_equal_the_slow_count(rows: list[bytes], most: int) -> None:
    hashes = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(-1, 32)
    one = Side("x", [question(k) for k in range(len(rows))], np.arange(len(rows)), hashes)
    numbers = [int.from_bytes(row, "big") for row in rows]
    slow = {(i, j): (a ^ b).bit_count() for i, a in enumerate(numbers) for j, b in enumerate(numbers)}
    assert near_images(one, one, most) == {pair: bits for pair, bits in slow.items() if bits <= most}


def test_only_long_wordings_count() -> None:
    assert same_wordings([question(0, LONG + " " + LONG)], [question(1), question(2, LONG.upper() + " " + LONG)]) == {
        (0, 1)
    }
    assert same_wordings([question(0, "What is the sum?")], [question(1, "What is the sum?")]) == set()
    assert same_wordings([question(0, LONG + " one two")], [question(1, "Why? " + LONG[::-1])]) == set()


def test_wording_by_template_is_no_evidence() -> None:
    many = [question(k, LONG + " " + LONG) for k in range(30)]
    assert same_wordings(many[:1], many) == set()


def test_text_share() -> None:
    assert text_share("a b c d", "<image>A b C d") == 1
    assert text_share("a b c d", "a b c e") == pytest.approx(1 / 3)
    assert text_share("a", "b") == 0


@pytest.mark.parametrize(
    ("origin", "training_set", "named"),
    [("Geometry3K", "geometry3k", True), ("OCR-VQA", "ocr_vqa", True), ("GeoQA", "geometry3k", False), ("", "", False)],
)
def test_sources(origin: str, training_set: str, named: bool) -> None:
    assert names_source(origin, training_set) is named


def test_a_named_source_is_listed_without_a_training_question() -> None:
    (found,) = overlaps(without_images("b", question(0, origin="ScienceQA")), without_images("scienceqa", question(1)))
    assert (found.training_question, found.by_source, found.image_bits) == ("", True, None)


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The micro data sets, prepared in `data` beside planted.csv."""
    from micro_sizes import micro_size

    from dreamr.micro.datasets import write_all

    folder = tmp_path_factory.mktemp("micro")
    write_all(folder, micro_size(3, 40, 60))
    for name in (*SPLITS, *TRAINING_SETS):
        data = {"adapter": name, "path": str(folder / name), "split": SPLITS.get(name, "train")}
        out = folder / "data" / f"{name}.jsonl"
        prepare_command(spec=json.dumps({"name": name, "data": data}), out=out)
    return folder


@pytest.fixture(scope="module")
def audited(micro: Path) -> dict[str, list[dict[str, str]]]:
    """The audit's tables, for a training that draws and one that asks planted copies."""
    planted = str(micro / "planted.csv")
    drawing = Drawing(training_sets=TRAINING_SETS, questions=60, seed=5, planted=None)
    draws = (
        Draw(recipe="balanced", replicate=0, drawing=drawing),
        Draw(recipe="copied", replicate=2, drawing=drawing.model_copy(update={"planted": planted})),
    )
    generated = (*SPLITS, *TRAINING_SETS)
    job = AuditJob(
        benchmarks=tuple(SPLITS), training_sets=TRAINING_SETS, draws=draws, planted=planted, generated=generated
    )
    audit_command(spec=job.model_dump_json(), data=micro / "data", out=micro / "audit")
    names = ("overlaps", "exposures", "planted")
    return {name: list(csv.DictReader((micro / "audit" / f"{name}.csv").open())) for name in names}


def places(rows: Iterable[dict[str, str]]) -> set[tuple[str, ...]]:
    return {tuple(row[name] for name in ("benchmark", "question", "training_set", "training_question")) for row in rows}


def test_planted_copies_are_found(micro: Path, audited: dict[str, list[dict[str, str]]]) -> None:
    """Recall 1 and precision >= 0.98 by images, over copies that are exact, resized, re-encoded and recoloured.

    A problem's version with one more mark in its image is found as well, and rightly: precision is one of problems.
    """
    with (micro / "planted.csv").open() as truth:
        plants = list(csv.DictReader(truth))
    assert audited["planted"] == plants
    by_image, planted = [row for row in audited["overlaps"] if row["by_image"] == "True"], places(plants)
    assert {row["kind"] for row in plants} >= {"exact", "resized", "jpeg"}
    assert planted <= places(by_image)
    found: dict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
    for row in by_image:
        found[row["benchmark"], row["cluster"], row["training_question"]] |= places([row])
    assert sum(bool(versions & planted) for versions in found.values()) / len(found) >= 0.98


def test_nothing_is_planted_in_data_of_one_s_own(micro: Path, tmp_path: Path) -> None:
    """A benchmark that stands in for a generated one has questions of the same ids, which are others."""
    job = AuditJob(
        benchmarks=tuple(SPLITS),
        training_sets=TRAINING_SETS,
        draws=(),
        planted=str(micro / "planted.csv"),
        generated=("mathverse", "mmbench", "mmmu", "geometry3k", "ocr_vqa"),
    )
    audit_command(spec=job.model_dump_json(), data=micro / "data", out=tmp_path)
    with (tmp_path / "planted.csv").open() as table, (micro / "planted.csv").open() as truth:
        found, plants = list(csv.DictReader(table)), list(csv.DictReader(truth))
    own = [row for row in plants if row["benchmark"] == "realworldqa" or row["training_set"] == "scienceqa"]
    assert own and found == [row for row in plants if row not in own]


def test_a_training_is_exposed_to_what_it_drew_and_no_more(
    micro: Path, audited: dict[str, list[dict[str, str]]]
) -> None:
    """By hand: a planted copy is seen where one of the drawn questions is about its image."""
    seen = {(one.dataset, one.cluster) for one in drawn(micro / "data", TRAINING_SETS, 60, 5)}
    expected = {
        place
        for place in places(audited["overlaps"])
        if (place[2], place[3].rsplit("-")[0] if place[2] == "ocr_vqa" else place[3]) in seen and place[3]
    }
    by_recipe = {
        name: [row for row in audited["exposures"] if row["recipe"] == name] for name in ("balanced", "copied")
    }
    assert places(by_recipe["balanced"]) == expected
    assert 0 < len(expected) < len(audited["planted"])
    assert places(by_recipe["copied"]) >= places(audited["planted"])
    assert {row["replicate"] for row in by_recipe["copied"]} == {"2"}


def test_another_question_about_the_same_image_exposes_and_a_source_alone_does_not() -> None:
    shown = question(1, LONG + " " + LONG)
    twin = question(2).model_copy(update={"cluster": shown.cluster})
    training = without_images("t", shown, twin, question(3))
    found = overlaps(without_images("b", question(0, LONG + " " + LONG), question(9, origin="t")), training)
    assert [one.training_question for one in found] == ["1", ""]
    assert exposed(found, [training], {"t": [twin]}) == found[:1]
    assert exposed(found, [training], {"t": [question(3)], "other": [shown]}) == []


def test_copies_are_asked_as_often_as_each_other(micro: Path) -> None:
    planted = micro / "planted.csv"
    found = copies(micro / "data", TRAINING_SETS, 40, planted)
    times = Counter((name, one.id) for name, questions in found.items() for one in questions)
    with planted.open() as truth:
        assert times.keys() == {(row["training_set"], row["training_question"]) for row in csv.DictReader(truth)}
    assert sum(times.values()) == 40 and max(times.values()) - min(times.values()) <= 1
    with pytest.raises(UserError, match=r"planted\.csv: none of its questions is in mathverse"):
        copies(micro / "data", ("mathverse",), 40, planted)


def test_without_copies_a_training_asks_what_is_drawn(micro: Path) -> None:
    drawing = Drawing(training_sets=TRAINING_SETS, questions=31, seed=8, planted=None)
    questions = [one for part in asked(micro / "data", drawing).values() for one in part]
    assert questions == drawn(micro / "data", TRAINING_SETS, 31, 8) and len(questions) == 31


def test_a_missing_or_broken_list_of_plants_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"planted\.csv: no such file; dreamr make-micro writes it"):
        read_plants(tmp_path / "planted.csv")
    (tmp_path / "planted.csv").write_text("benchmark,question\nmathverse,1\n")
    with pytest.raises(UserError, match=r"(?s)planted\.csv: .*training_set"):
        read_plants(tmp_path / "planted.csv")
