"""Reasoning steps as claims, and every way to put a claim into words.

The target's style is the first phrase of each kind. The drafts' style mixes all phrases with fillers and with leaps:
the result in one go, without the running sums or maxima, wrong about as often as right.
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


@dataclass(frozen=True)
class Style:
    """How a draft writes: chances of a wordy phrase, a filler, a leap, and of a leap that is wrong."""

    wordy: float = 0.5
    filler: float = 0.08
    leap: float = 0.5
    wrong: float = 0.45


RIGHT = Style(wrong=0.0)  # the drafts' words without their mistakes


def rambling(truth: Truth, style: Style, rng: np.random.Generator) -> list[tuple[Claim, str]]:
    """The drafts' way: claims and their words, with fillers, and with leaps that may be wrong."""
    claims = [restate(truth), *readings(truth)]
    value = truth.total
    if rng.random() < _leaning(style.leap, truth.selection.value) and len(truth.running) > 1:
        value = _slip(truth, rng) if rng.random() < style.wrong else truth.total
        claims.append(total(truth, value))
    else:
        claims += results(truth)
    said = [(each, _words(each, style, rng)) for each in claims + ending(truth, value)]
    return _with_fillers(said, style, rng)


def _leaning(chance: float, key: str) -> float:
    """Chances lean with what a question is about, so that a draft without dice writes now one way, now the other."""
    return float(np.clip(chance + 0.12 * (sum(map(ord, key)) % 3 - 1), 0, 1))


def _words(each: Claim, style: Style, rng: np.random.Generator) -> str:
    phrases = len(PHRASES[each.kind])
    key = dict(each.fields).get("column", each.kind)
    wordy = phrases > 1 and rng.random() < _leaning(style.wordy, key)
    return each.say(int(rng.integers(1, phrases)) if wordy else 0)


def _slip(truth: Truth, rng: np.random.Generator) -> int:
    """A wrong result of the kind that haste gives: one digit left out, or a little off."""
    guesses = [truth.running[-2], truth.running[-2] + 1, truth.total - 1, truth.total + 1, truth.total + 2]
    wrong = [guess for guess in guesses if guess != truth.total and guess >= 0]
    return int(rng.choice(wrong))


def _with_fillers(said: list[tuple[Claim, str]], style: Style, rng: np.random.Generator) -> list[tuple[Claim, str]]:
    mixed: list[tuple[Claim, str]] = []
    for each in said:
        if mixed and rng.random() < style.filler:
            filler = claim("filler")
            mixed.append((filler, filler.say(int(rng.integers(len(PHRASES["filler"]))))))
        mixed.append(each)
    return mixed
