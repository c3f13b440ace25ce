"""The seven micro data sets as files: parquet in the hub's columns, the truth of each question, the planted overlap."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from dreamr.config import Micro
from dreamr.data.loading import adapter, decoded
from dreamr.data.plants import Plant, write_plants
from dreamr.errors import UserError
from dreamr.micro.rows import BENCHMARKS, TRAINING_SETS, Made, Maker, Row
from dreamr.micro.world import Truth
from dreamr.records import Record

SPLITS = {"mathverse": "testmini", "mmbench": "dev", "realworldqa": "test", "mmmu": "validation"}
BOOK = 2.5  # questions that one row of OCR-VQA yields, about
# A share of these benchmarks' questions also stands in a training set: exactly, or with the image altered.
PLANTED = {"mathverse": "geometry3k", "mmbench": "scienceqa", "realworldqa": "ocr_vqa"}
PLANTED_SHARE = 0.25
KINDS = ("exact", "resized", "jpeg", "recoloured")


class Fact(Record):
    """The truth behind one question, as kept beside its data set."""

    id: str
    truth: Truth


@dataclass(frozen=True)
class Original:
    """A benchmark row to copy: its questions' ids and truth, and its image."""

    benchmark: str
    ids: tuple[str, ...]
    truth: Truth
    image: Image.Image


def altered(image: Image.Image, kind: str, rng: np.random.Generator) -> Any:
    """`image` as a copy of it might look elsewhere; still one token a cell."""
    if kind == "resized":
        scale = float(rng.choice([0.95, 1.05]))
        return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    if kind == "recoloured":
        return ImageEnhance.Color(ImageEnhance.Brightness(image).enhance(0.94)).enhance(0.85)
    if kind == "jpeg":
        data = io.BytesIO()
        image.save(data, "JPEG", quality=80)
        return {"bytes": data.getvalue(), "path": None}
    return image


def write_all(out: Path, micro: Micro) -> list[Plant]:
    """Write every data set to `out`/<name>/<split>.parquet with truth.jsonl, and `out`/planted.csv."""
    seed = micro.seed
    sources: list[Original] = []
    for k, (name, maker) in enumerate(BENCHMARKS.items()):
        made = list(_benchmark(name, maker, np.random.default_rng([seed, k]), micro.clusters.of(name), sources))
        write(out, name, SPLITS[name], made)
    plants: list[Plant] = []
    for k, (name, maker) in enumerate(TRAINING_SETS.items()):
        rng = np.random.default_rng([seed, 100 + k])
        made = list(_training_set(name, maker, rng, _rows(name, micro.training_questions), sources, plants))
        write(out, name, "train", made)
    write_plants(out / "planted.csv", plants)
    return plants


def _rows(name: str, questions: int) -> int:
    return max(1, round(questions / BOOK)) if name == "ocr_vqa" else questions


def _benchmark(
    name: str, maker: Maker, rng: np.random.Generator, clusters: int, sources: list[Original]
) -> Iterator[Made]:
    """All rows of one benchmark; those to be planted elsewhere are noted in `sources`."""
    planted = set(rng.permutation(clusters)[: round(clusters * PLANTED_SHARE)].tolist()) if name in PLANTED else set()
    for number in range(clusters):
        made = list(maker(rng, "planted" if number in planted else "test", number))
        if number in planted:
            sources.append(_source(name, number, made))
        yield from made


def _source(name: str, number: int, made: list[Made]) -> Original:
    """The rows of one maker call that share the first one's image."""
    row, truths = made[0]
    alike = [other for other, _ in made if other["image"].tobytes() == row["image"].tobytes()]
    ids = tuple(question for other in alike for question in _ids(name, other, number))
    return Original(name, ids, truths[0], row["image"])


def _ids(name: str, row: Row, number: int) -> list[str]:
    return [question.id for question in adapter(name).questions(decoded(name, number, row), number, lambda image: "")]


def _training_set(
    name: str, maker: Any, rng: np.random.Generator, rows: int, sources: list[Original], plants: list[Plant]
) -> Iterator[Made]:
    """All rows of one training set, the copies of benchmark questions spread among them and noted in `plants`."""
    own = [each for each in sources if PLANTED[each.benchmark] == name]
    if len(own) > rows:
        raise UserError(
            f"micro.training_questions gives {name} {rows} rows, and {len(own)} of the benchmarks' problems are to be "
            f"planted there: ask for more, or for fewer clusters"
        )
    places = sorted(rng.permutation(rows)[: len(own)].tolist())
    copies = dict(zip(places, zip(own, KINDS * len(own), strict=False), strict=True))
    for number in range(rows):
        source, kind = copies.get(number, (None, ""))
        if source is None:
            yield from maker(rng, "train", number)
            continue
        row, truths = next(maker(rng, "train", number, (source.truth, altered(source.image, kind, rng))))
        copy = _ids(name, row, number)[0]
        place = {"benchmark": source.benchmark, "training_set": name, "training_question": copy, "kind": kind}
        plants += [Plant(question=question, **place) for question in source.ids]
        yield row, truths


def write(out: Path, name: str, split: str, made: list[Made]) -> None:
    """One data set: its rows as parquet with the images inside, and the truths by question id."""
    from datasets import Dataset

    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    Dataset.from_list([row for row, _ in made], features=features(name)).to_parquet(folder / f"{split}.parquet")
    facts = [
        Fact(id=question, truth=truth)
        for number, (row, truths) in enumerate(made)
        for question, truth in zip(_ids(name, row, number), truths, strict=True)
    ]
    text = "".join(fact.model_dump_json() + "\n" for fact in facts)
    (folder / "truth.jsonl").write_text(text, encoding="utf-8")


def features(name: str) -> Any:
    """Columns and types of the hub's data set."""
    from datasets import Features, Image, Value

    text, image = Value("string"), Image()
    texts = {
        "mathverse": "sample_index problem_index problem_version question answer question_type query_wo query_cot"
        " question_for_eval",
        "mmbench": "question hint answer A B C D category source L2-category comment split",
        "realworldqa": "question answer",
        "mmmu": "id question options explanation img_type answer topic_difficulty question_type subfield",
        "geometry3k": "problem answer ground_truth",
        "ocr_vqa": "image_id title authorName genre image_url set_name",
        "scienceqa": "question hint task grade subject topic category skill lecture solution",
    }
    word = {"word": text, "bounding_box": {side: Value("float64") for side in ("width", "height", "left", "top")}}
    others: dict[str, dict[str, Any]] = {
        "mathverse": {"image": image, "metadata": dict.fromkeys(["split", "source", "subject", "subfield"], text)},
        "mmbench": {"image": image, "index": Value("int32")},
        "realworldqa": {"image": image},
        "mmmu": {f"image_{k}": image for k in range(1, 8)},
        "geometry3k": {"images": [image], "id": Value("int64"), "choices": [text]},
        "ocr_vqa": {"image": image, "questions": [text], "answers": [text], "ocr_tokens": [text], "ocr_info": [word]}
        | dict.fromkeys(["image_width", "image_height"], Value("int64")),
        "scienceqa": {"image": image, "choices": [text], "answer": Value("int8")},
    }
    return Features(dict.fromkeys(texts[name].split(), text) | others[name])
