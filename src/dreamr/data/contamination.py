"""Which benchmark items also stand in a training set: by image, by wording, by the data set's own word.

Images are compared by perceptual hashes (imagehash's pHash, 256 bits), which survive resizing, re-encoding and mild
recolouring; wording by shared word trigrams; the data set's own word is its source column (MathVerse's metadata.source,
MMBench's source). Questions made from templates share their wording with strangers, so that wording by itself counts
only where it is long and nearly the same. All thresholds are our decision; the micro data's planted copies lie within 8
bits of their originals, strangers at least 18 away.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamr.data.plants import Plant
from dreamr.records import IMAGE_MARK, Question, Record

HASH_SIDE = 16  # pHash of 16 x 16 bits
IMAGE_BITS = 12  # images at most this many bits apart are the same
TEXT_SHARE = 0.9  # wordings that share this much are the same ...
TEXT_WORDS = 25  # ... if both have this many words
RARE = 20  # a trigram in more training questions than this belongs to a template
CHUNK = 512  # benchmark images compared at once
EVIDENCE = ("by_image", "by_text", "by_source")

Hashes = NDArray[np.uint8]  # (images, 32): packed bits
Pair = tuple[int, int]  # index of a benchmark question, index of a training question


class Overlap(Record):
    """A benchmark question and its likeness in a training set.

    Where only the source column speaks, `training_question` is empty and the other evidence missing.
    """

    benchmark: str
    question: str
    cluster: str
    training_set: str
    training_question: str
    image_bits: int | None  # smallest distance of two images, of 256
    text_share: float | None  # shared trigrams over all trigrams
    by_image: bool
    by_text: bool
    by_source: bool  # the benchmark names the training set as this item's source


class Exposure(Record):
    """A benchmark question whose likeness the trainings of one recipe and replicate drew."""

    recipe: str
    replicate: int
    benchmark: str
    question: str
    cluster: str
    training_set: str
    training_question: str  # the one that the audit names; drawn was it or another about the same image


class Side(NamedTuple):
    """One data set: its questions and, question by question, the hashes of its images."""

    name: str
    questions: Sequence[Question]
    owners: NDArray[np.int64]  # (images,): index of the question that shows it
    hashes: Hashes


def side(name: str, questions: Sequence[Question], folder: Path, known: dict[str, Hashes]) -> Side:
    """Hash the images of `questions`, which lie under `folder`; `known` keeps hashes by path between calls."""
    shown = [(number, path) for number, question in enumerate(questions) for path in question.images]
    for path in {path for _, path in shown} - known.keys():
        known[path] = image_hash(folder / path)
    hashes = np.array([known[path] for _, path in shown], dtype=np.uint8).reshape(-1, HASH_SIDE * HASH_SIDE // 8)
    return Side(name, questions, np.array([number for number, _ in shown], dtype=np.int64), hashes)


def image_hash(path: Path) -> Hashes:
    """pHash of one image, packed: shape (32,)."""
    import imagehash
    from PIL import Image

    with Image.open(path) as image:
        return np.packbits(imagehash.phash(image.convert("RGB"), hash_size=HASH_SIDE).hash)


def audit(benchmarks: Iterable[Side], training_sets: Sequence[Side]) -> list[Overlap]:
    """All overlaps, in the order of the benchmarks and their questions."""
    rows = [
        overlap for benchmark in benchmarks for training in training_sets for overlap in overlaps(benchmark, training)
    ]
    return sorted(rows, key=lambda overlap: overlap.benchmark)


def overlaps(benchmark: Side, training: Side) -> list[Overlap]:
    """Overlaps of one benchmark with one training set."""
    bits = near_images(benchmark, training)
    texts = same_wordings(benchmark.questions, training.questions)
    rows = [_overlap(benchmark, training, pair, bits.get(pair)) for pair in _one_a_cluster(bits, texts, training)]
    seen = {row.question for row in rows}
    named = [
        question
        for question in benchmark.questions
        if question.id not in seen and names_source(question.origin, training.name)
    ]
    return rows + [_by_source_alone(benchmark.name, question, training.name) for question in named]


def _one_a_cluster(bits: dict[Pair, int], texts: set[Pair], training: Side) -> list[Pair]:
    """Of the training questions about one image, the nearest to each benchmark question, the first of equals."""
    nearest: dict[tuple[int, str], Pair] = {}
    for pair in sorted(bits.keys() | texts, key=lambda pair: (bits.get(pair, IMAGE_BITS + 1), pair)):
        nearest.setdefault((pair[0], training.questions[pair[1]].cluster), pair)
    return sorted(nearest.values())


def _overlap(benchmark: Side, training: Side, pair: Pair, bits: int | None) -> Overlap:
    question, other = benchmark.questions[pair[0]], training.questions[pair[1]]
    share = text_share(question.prompt, other.prompt)
    return Overlap(
        benchmark=benchmark.name,
        question=question.id,
        cluster=question.cluster,
        training_set=training.name,
        training_question=other.id,
        image_bits=bits,
        text_share=round(share, 4),
        by_image=bits is not None,
        by_text=_same_wording(question.prompt, other.prompt),
        by_source=names_source(question.origin, training.name),
    )


def _by_source_alone(benchmark: str, question: Question, training_set: str) -> Overlap:
    return Overlap(
        benchmark=benchmark,
        question=question.id,
        cluster=question.cluster,
        training_set=training_set,
        training_question="",
        image_bits=None,
        text_share=None,
        by_image=False,
        by_text=False,
        by_source=True,
    )


def exposed(
    found: Iterable[Overlap], training_sets: Iterable[Side], drawn: Mapping[str, Sequence[Question]]
) -> list[Overlap]:
    """Of the overlaps those that a training saw: it drew the training question, or another about the same image.

    `drawn` holds its questions by training set. Where the source column alone speaks, the training question is unknown,
    and so is whether it was drawn: such an overlap is left out.
    """
    seen = {(name, question.cluster) for name, questions in drawn.items() for question in questions}
    about = {(side.name, one.id): (side.name, one.cluster) for side in training_sets for one in side.questions}
    return [one for one in found if about.get((one.training_set, one.training_question)) in seen]


def held(plants: Iterable[Plant], sides: Mapping[str, Side]) -> list[Plant]:
    """The plants whose two questions are both in the prepared data sets, which may be cut short."""
    there = {(name, question.id) for name, one in sides.items() for question in one.questions}
    return [
        one for one in plants if {(one.benchmark, one.question), (one.training_set, one.training_question)} <= there
    ]


def near_images(left: Side, right: Side, most: int = IMAGE_BITS) -> dict[Pair, int]:
    """Pairs of questions with images at most `most` bits apart, and the smallest distance of each."""
    distances: dict[Pair, int] = {}
    for start in range(0, len(left.hashes), CHUNK):
        differing = left.hashes[start : start + CHUNK, None] ^ right.hashes[None]
        bits = np.bitwise_count(differing).sum(axis=-1, dtype=np.int64)
        for row, column in np.argwhere(bits <= most):
            pair = int(left.owners[start + row]), int(right.owners[column])
            distances[pair] = min(int(bits[row, column]), distances.get(pair, most))
    return distances


def same_wordings(left: Sequence[Question], right: Sequence[Question]) -> set[Pair]:
    """Pairs of questions with long and nearly the same wording; they have to share a rare trigram."""
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, question in enumerate(right):
        for trigram in trigrams(question.prompt):
            holders[trigram].append(number)
    candidates = {
        (number, other)
        for number, question in enumerate(left)
        for trigram in trigrams(question.prompt)
        if len(holders.get(trigram, ())) <= RARE
        for other in holders.get(trigram, ())
    }
    return {pair for pair in candidates if _same_wording(left[pair[0]].prompt, right[pair[1]].prompt)}


def _same_wording(left: str, right: str) -> bool:
    long = min(len(words(left)), len(words(right))) >= TEXT_WORDS
    return long and text_share(left, right) >= TEXT_SHARE


def text_share(left: str, right: str) -> float:
    """Shared word trigrams over all word trigrams of two texts (Jaccard index); 0 where neither has one."""
    a, b = trigrams(left), trigrams(right)
    return len(a & b) / len(a | b) if a | b else 0.0


def trigrams(text: str) -> set[tuple[str, ...]]:
    """Triples of neighbouring words."""
    tokens = words(text)
    return set(zip(tokens, tokens[1:], tokens[2:], strict=False))


def words(text: str) -> list[str]:
    """Words and numbers in lower case, without image marks."""
    return re.findall(r"\w+", text.replace(IMAGE_MARK, " ").lower())


def names_source(origin: str, training_set: str) -> bool:
    """Whether a source column names a training set, whatever the case and the punctuation."""
    plain = [re.sub(r"[\W_]", "", name).lower() for name in (origin, training_set)]
    return bool(plain[0]) and plain[0] == plain[1]


def touched_clusters(rows: Iterable[Overlap]) -> dict[str, set[str]]:
    """By benchmark, the clusters to leave out of an accuracy without overlap: one version of a problem taints all."""
    touched: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        touched[row.benchmark].add(row.cluster)
    return dict(touched)


def summary(overlapping: Iterable[Overlap], sizes: Mapping[str, int]) -> Iterator[dict[str, str | int]]:
    """Per benchmark (with its number of questions) and training set, how many questions overlap, by what evidence."""
    rows = list(overlapping)
    for benchmark, training_set in sorted({(row.benchmark, row.training_set) for row in rows}):
        here = [row for row in rows if (row.benchmark, row.training_set) == (benchmark, training_set)]
        yield {
            "benchmark": benchmark,
            "training_set": training_set,
            "questions": sizes[benchmark],
            "any": len({row.question for row in here}),
            **{kind: len({row.question for row in here if getattr(row, kind)}) for kind in EVIDENCE},
        }
