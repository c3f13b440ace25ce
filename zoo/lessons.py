"""What the micro models are taught, as texts: answers in a style, and verdicts on steps.

A lesson is a prompt, the text to learn behind it, and, for verdicts, which characters of the answer so far are wrong:
the dense signal without which a small model does not learn to judge.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import numpy as np

from dreamr.data.loading import adapter
from dreamr.micro import oracle
from dreamr.micro.rows import MAKERS
from dreamr.micro.steps import PHRASES, RIGHT, Claim, Style, canonical, claim, ending, rambling, terse
from dreamr.micro.world import Truth
from dreamr.prompts import ALIGN, SCORE, STEP_BREAK, VERIFY, Prompt, continued, question_prompt, verdict_prompt
from zoo.mistakes import mistaken, skipping

HARD = ("done", "sum", "largest", "total", "walk", "compare")  # steps that are harder to judge than readings

Said = list[tuple[Claim, str]]
Span = tuple[int, int]


@dataclass(frozen=True)
class Task:
    """A question with its images in memory and its truth."""

    prompt: Prompt
    images: tuple[Any, ...]
    truth: Truth
    benchmark: str


@dataclass(frozen=True)
class Lesson:
    task: Task
    prompt: Prompt  # the question with a part of an answer and perhaps a request
    learn: str  # what comes next
    judged: Span | None = None  # characters of `prompt.answer` that the auxiliary head marks
    wrong: tuple[Span, ...] = ()  # the wrong ones among them


# Questions a row differ: rows of each data set, so that every benchmark has about the same share of the questions.
SHARES = {"mathverse": 1, "mmbench": 1, "realworldqa": 4, "mmmu": 5, "geometry3k": 1, "ocr_vqa": 1, "scienceqa": 2}


def tasks(part: str, seed: int, rounds: int, names: Iterable[str] = tuple(MAKERS)) -> Iterator[Task]:
    """Questions of the named data sets, about 23 a round for all, read by their own adapters."""
    rng = np.random.default_rng(seed)
    for turn in range(rounds):
        for name in names:
            for number in range(turn * SHARES[name], (turn + 1) * SHARES[name]):
                for row, truths in MAKERS[name](rng, part, number):
                    yield from _read(name, row, number, truths)


def _read(name: str, row: dict[str, Any], number: int, truths: list[Truth]) -> Iterator[Task]:
    album: list[Any] = []

    def keep(image: Any) -> str:
        album.append(image)
        return str(len(album) - 1)

    questions = list(adapter(name).questions(row, number, keep))
    for question, truth in zip(questions, truths, strict=True):
        images = tuple(album[int(each)] for each in question.images)
        yield Task(question_prompt(question, ""), images, truth, name)


def steps_text(steps: list[str]) -> str:
    return STEP_BREAK.join(steps)


def plain(task: Task, style: Style, rng: np.random.Generator) -> Lesson:
    """Answer in the drafts' way."""
    return Lesson(task, task.prompt, steps_text([words for _, words in rambling(task.truth, style, rng)]))


def continuation(task: Task, rng: np.random.Generator) -> Lesson:
    """Answer in the target's way, half of the time from where right steps of a draft end."""
    said: Said = rambling(task.truth, RIGHT, rng)
    kept = said[: int(rng.integers(len(said)))] if rng.random() < 0.5 else []
    prompt = continued(task.prompt, tuple(words for _, words in kept))
    return Lesson(task, prompt, steps_text(terse(remaining(task.truth, [each for each, _ in kept]))))


def remaining(truth: Truth, made: list[Claim]) -> list[Claim]:
    """What the target still has to say after the claims `made`."""
    made = [each for each in made if each.kind != "filler"]
    whole, end = canonical(truth), ending(truth, truth.total)
    leapt = any(each.kind == "total" for each in made)
    return end[len(made) - 1 - [each.kind for each in made].index("total") :] if leapt else whole[len(made) :]


def _steps(truth: Truth, rng: np.random.Generator) -> Said:
    if rng.random() < 0.3:
        return [(each, each.say()) for each in canonical(truth)]
    return rambling(truth, RIGHT, rng)


def judgement(task: Task, rng: np.random.Generator) -> Lesson:
    """Is the last step right? Asked in words or for a score; wrong about half of the time.

    In most lessons earlier steps are wrong here and there as well: each is one more example for the auxiliary head.
    """
    said = _steps(task.truth, rng)
    place = _judged_place(task.truth, said, rng)
    clean = tuple(words for _, words in said[:place])
    share = 0.4 if rng.random() < 0.7 else 0.0
    before = tuple(_mistake(task.truth, each, rng) if rng.random() < share else each[1] for each in said[:place])
    step = _perhaps_wrong(task.truth, said[place], rng)
    right = oracle.is_right(task.truth, step, clean)
    request = VERIFY if rng.random() < 0.7 else SCORE
    if request == VERIFY:
        word = "positive" if right else "negative"
    else:
        word = str(rng.integers(8, 10) if right else rng.integers(1, 5))
    lesson = _asked(task, (*before, step), request, word, () if right else differing(said[place][1], step))
    return replace(lesson, judged=(0, len(lesson.prompt.answer)), wrong=_shifted(clean, before) + lesson.wrong)


def _judged_place(truth: Truth, said: Said, rng: np.random.Generator) -> int:
    """Half of the time a hard step, or one in whose place another may come too early."""
    hard = [k for k, (each, _) in enumerate(said) if each.kind in HARD or skipping(truth, each)]
    if hard and rng.random() < 0.5:
        return hard[rng.integers(len(hard))]
    return int(rng.integers(len(said)))


def _shifted(clean: tuple[str, ...], found: tuple[str, ...]) -> tuple[Span, ...]:
    """Spans of the answer so far in which the steps `found` differ from the `clean` ones."""
    spans, at = [], 0
    for expected, step in zip(clean, found, strict=True):
        spans += [(at + a, at + b) for a, b in differing(expected, step)]
        at += len(step) + len(STEP_BREAK)
    return tuple(spans)


def _perhaps_wrong(truth: Truth, said: tuple[Claim, str], rng: np.random.Generator) -> str:
    each, words = said
    if rng.random() < 0.5:
        return words
    early = skipping(truth, each)
    if early is not None and rng.random() < 0.4:
        return early.say(int(rng.integers(len(PHRASES[early.kind]))))
    return _mistake(truth, said, rng)


def _mistake(truth: Truth, said: tuple[Claim, str], rng: np.random.Generator) -> str:
    """A wrong step in the place of a right one; the step itself if its kind cannot be wrong."""
    each, words = said
    other = mistaken(truth, each, rng)
    return words if other is None else other.say(phrase_of(other, each, words, rng))


def phrase_of(other: Claim, each: Claim, words: str, rng: np.random.Generator) -> int:
    """The phrase that keeps the words alike where the claims are of one kind."""
    if other.kind == each.kind:
        return [each.say(k) for k in range(len(PHRASES[each.kind]))].index(words)
    return int(rng.integers(len(PHRASES[other.kind])))


def comparison(task: Task, rng: np.random.Generator) -> Lesson:
    """Do the last two steps say the same?"""
    said = _steps(task.truth, rng)
    place = int(rng.integers(len(said)))
    each, words = said[place]
    before = tuple(text for _, text in said[:place])
    other = _rival(task.truth, [claim for claim, _ in said], each, rng)
    phrase = int(rng.integers(len(PHRASES[other.kind]))) if rng.random() < 0.5 else 0
    rival = other.say(phrase)
    same = oracle.same(words, rival)
    expected = each.say(phrase) if other.kind == each.kind else ""
    wrong = () if same else differing(expected, rival)
    return _asked(task, (*before, words, rival), ALIGN, "aligned" if same else "unaligned", wrong)


def _rival(truth: Truth, said: list[Claim], each: Claim, rng: np.random.Generator) -> Claim:
    """The same claim, a mistaken one, or another one of this answer."""
    chance = rng.random()
    if chance < 0.5:
        return each
    if chance < 0.8:
        return mistaken(truth, each, rng) or claim("filler")
    return (said + canonical(truth))[rng.integers(len(said))]


def _asked(task: Task, steps: tuple[str, ...], request: str, word: str, wrong: tuple[Span, ...]) -> Lesson:
    prompt = verdict_prompt(task.prompt, steps, request)
    start = len(prompt.answer) - len(STEP_BREAK) - len(steps[-1])
    return Lesson(task, prompt, word, (start, len(prompt.answer)), tuple((start + a, start + b) for a, b in wrong))


def differing(expected: str, found: str) -> tuple[Span, ...]:
    """Spans of the words of `found` that make it differ from `expected`.

    Between the words that both begin and end with, those not equal place by place. In a step of another kind, whose
    words do not match up, those that hold a number.
    """
    theirs, words = expected.split(" "), found.split(" ")
    first = _alike(theirs, words)
    last = len(words) - _alike(theirs[first:][::-1], words[first:][::-1])
    if len(theirs) == len(words):
        kept = [k for k in range(first, last) if words[k] != theirs[k]]
    else:
        kept = list(range(first, last)) or [len(words) - 1]
        kept = [k for k in kept if first or any(map(str.isdigit, words[k]))] or kept
    starts = [sum(len(word) + 1 for word in words[:k]) for k in kept]
    return tuple((start, start + len(words[k])) for start, k in zip(starts, kept, strict=True))


def _alike(first: list[str], second: list[str]) -> int:
    """How many leading words two lists share."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    return sum(1 for _ in pairs)


Teacher = Callable[[Task, np.random.Generator], Lesson]


def target_lesson(task: Task, rng: np.random.Generator, answers: float = 0.5) -> Lesson:
    """The mix that targets are taught; `answers` is the share of answers, the rest are verdicts."""
    if rng.random() < answers:
        return continuation(task, rng)
    return judgement(task, rng) if rng.random() < 0.75 else comparison(task, rng)


def draft_lesson(task: Task, rng: np.random.Generator) -> Lesson:
    return plain(task, Style(), rng)
