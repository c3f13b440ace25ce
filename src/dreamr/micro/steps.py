"""Reasoning steps as claims, and every way to put a claim into words.

The target's style is the first phrase of each kind. The drafts' style mixes it with wordy phrases and fillers, and is
hasty: in wordy readings it takes some digits for others that look alike, and it leaps to results, often with a digit
left out. So a draft has something to unlearn that costs it both tokens and acceptance (our decision).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dreamr.micro.world import LETTERS, Truth

PHRASES: dict[str, tuple[str, ...]] = {
    "restate": (
        "Find the {reduction} of {selection}.",
        "I need to find the {reduction} of {selection} in this picture.",
        "The question asks for the {reduction} of {selection}, so I start there.",
    ),
    "read": (
        "Row {row} column {column} is {what}.",
        "In row {row} and column {column} I can see {what}.",
        "Looking at row {row} column {column}, I think it is {what}.",
    ),
    "done": ("No more {selection}.", "I can see that there is no more {selection}."),
    "sum": ("{a} + {b} = {c}.", "Adding {a} and {b} together gives {c}."),
    "largest": ("Larger of {a} and {b} is {c}.", "If I compare {a} and {b} then the larger is {c}."),
    "total": ("The {reduction} is {value}.", "So all in all the {reduction} is {value}."),
    "walk": ("{walk}.", "Now I look at the options: {walk}."),
    "compare": ("{value} > {threshold} {word}.", "Is {value} greater than {threshold}? I say {word}."),
    "filler": ("Let me look again.", "Wait, let me think about this.", "So far so good."),
    "answer": ("Answer: {text}",),
}


@dataclass(frozen=True)
class Claim:
    """What a step says, apart from its words."""

    kind: str
    fields: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        return dict(self.fields)[name]

    def but(self, **changes: Any) -> "Claim":
        return claim(self.kind, **(dict(self.fields) | changes))

    def say(self, phrase: int = 0) -> str:
        return PHRASES[self.kind][phrase].format(**dict(self.fields))


def claim(kind: str, **fields: Any) -> Claim:
    return Claim(kind, tuple((name, str(value)) for name, value in fields.items()))


def restate(truth: Truth) -> Claim:
    return claim("restate", reduction=truth.reduction, selection=truth.selection.name)


def readings(truth: Truth) -> list[Claim]:
    """One claim per selected cell, then, where the cells must be searched for, that there are no more."""
    found = [claim("read", row=row, column=column, what=truth.digit((row, column))) for row, column in truth.cells]
    searched = truth.selection.by == "mark"
    return found + [claim("done", selection=truth.selection.name)] * searched


def results(truth: Truth) -> list[Claim]:
    """Running sums or maxima; the total at once where there is nothing to run over."""
    if len(truth.running) < 2:
        return [total(truth, truth.total)]
    return [
        claim(truth.reduction, a=so_far, b=value, c=result)
        for so_far, value, result in zip(truth.running, truth.values[1:], truth.running[1:], strict=False)
    ]


def total(truth: Truth, value: int) -> Claim:
    return claim("total", reduction=truth.reduction, value=value)


def ending(truth: Truth, value: int) -> list[Claim]:
    """From the result `value` to the answer."""
    answer = claim("answer", text=truth.answer(value))
    if truth.finish == "option":
        return [claim("walk", walk=walk(truth, str(value))), answer]
    if truth.finish == "compare":
        word = "yes" if value > truth.threshold else "no"
        return [claim("compare", value=value, threshold=truth.threshold, word=word), answer]
    return [answer]


def walk(truth: Truth, value: str) -> str:
    pairs = zip(LETTERS, truth.options, strict=False)
    return ", ".join(f"{letter} {option} {'yes' if option == value else 'no'}" for letter, option in pairs)


def canonical(truth: Truth) -> list[Claim]:
    """The target's way: short, complete, right."""
    return [restate(truth), *readings(truth), *results(truth), *ending(truth, truth.total)]


def terse(claims: list[Claim]) -> list[str]:
    return [each.say() for each in claims]


LOOK_ALIKE = {"3": "8", "7": "1"}  # what a hasty reader takes a digit for


@dataclass(frozen=True)
class Style:
    """How a draft writes: chances of a wordy phrase, a filler and a leap, and of haste where it can show.

    `misread`: a digit that looks like another is taken for it, in a wordy reading. `omit`: a leap leaves the last digit
    out.
    """

    wordy: float = 0.6
    filler: float = 0.1
    leap: float = 0.35
    misread: float = 0.8
    omit: float = 0.6


RIGHT = Style(misread=0.0, omit=0.0)  # the drafts' words without their mistakes


def rambling(truth: Truth, style: Style, rng: np.random.Generator) -> list[tuple[Claim, str]]:
    """The drafts' way: claims and their words, each right for what was read before it, apart from leaps."""
    read = [_hasty(each, style, rng) for each in readings(truth)]
    seen = _as_read(truth, [each for each, _ in read])
    value, claims = seen.total, results(seen)
    if len(seen.running) > 1 and rng.random() < _leaning(style.leap, truth.selection.value):
        value = seen.running[-2] if rng.random() < style.omit else seen.total
        claims = [total(seen, value)]
    said = [(each, each.say(_phrase(each, style, rng))) for each in [restate(truth), *claims, *ending(seen, value)]]
    return _with_fillers([said[0], *read, *said[1:]], style, rng)


def _hasty(each: Claim, style: Style, rng: np.random.Generator) -> tuple[Claim, str]:
    """A reading and its words."""
    phrase = _phrase(each, style, rng)
    if phrase and each.kind == "read" and rng.random() < style.misread:
        each = each.but(what=LOOK_ALIKE.get(each["what"], each["what"]))
    return each, each.say(phrase)


def _as_read(truth: Truth, read: list[Claim]) -> Truth:
    """`truth` with the digits that were read in the place of the image's."""
    cells = {(int(each["row"]), int(each["column"])): int(each["what"]) for each in read if each.kind == "read"}
    place = truth.selection.image - 1
    grid = truth.grids[place]
    digits = tuple(
        tuple(cells.get((row, column), digit) for column, digit in enumerate(line, 1))
        for row, line in enumerate(grid.digits, 1)
    )
    grids = (*truth.grids[:place], grid.model_copy(update={"digits": digits}), *truth.grids[place + 1 :])
    return truth.model_copy(update={"grids": grids})


def _leaning(chance: float, key: str) -> float:
    """Chances lean with what a step is about, so that a draft without dice writes now one way, now the other."""
    return float(np.clip(chance + 0.12 * (sum(map(ord, key)) % 3 - 1), 0, 1))


def _phrase(each: Claim, style: Style, rng: np.random.Generator) -> int:
    """Which of the claim's phrases; of several wordy ones each claim has its own, so that wordiness is one habit."""
    phrases, key = len(PHRASES[each.kind]), dict(each.fields).get("column", each.kind)
    if each.kind == "filler":
        return int(rng.integers(phrases))
    wordy = phrases > 1 and rng.random() < _leaning(style.wordy, key)
    return 1 + sum(map(ord, key)) % (phrases - 1) if wordy else 0


def _with_fillers(said: list[tuple[Claim, str]], style: Style, rng: np.random.Generator) -> list[tuple[Claim, str]]:
    mixed: list[tuple[Claim, str]] = []
    for each in said:
        if mixed and rng.random() < style.filler:
            filler = claim("filler")
            mixed.append((filler, filler.say(_phrase(filler, style, rng))))
        mixed.append(each)
    return mixed
