"""Wrong steps of the kinds that models make, to train verifiers on."""

import numpy as np

from dreamr.micro.oracle import true_claims
from dreamr.micro.steps import LOOK_ALIKE, Claim, claim, ending, total
from dreamr.micro.world import COLOURS, LETTERS, MARKS, Truth


def mistaken(truth: Truth, said: Claim, rng: np.random.Generator) -> Claim | None:
    """A wrong claim in the place of `said`; None if this kind cannot be wrong."""
    makers = {
        "restate": _other_task,
        "read": _misread,
        "done": _extra_cell,
        "sum": _miscalculated,
        "largest": _miscalculated,
        "total": _wrong_total,
        "walk": _wrong_walk,
        "compare": _wrong_word,
        "answer": _wrong_answer,
    }
    if said.kind not in makers:
        return None
    right = true_claims(truth)
    while (wrong := makers[said.kind](truth, said, rng)) in right:  # by chance another step of the right answer
        pass
    return wrong


def skipping(truth: Truth, said: Claim) -> Claim | None:
    """What a draft that saves steps says too early in the place of `said`; None where nothing can be left out.

    That there are no more cells before the next one is read, or an ending from the result so far.
    """
    if said.kind == "read" and truth.selection.by == "mark":
        return claim("done", selection=truth.selection.name)
    if said.kind in ("sum", "largest"):
        return ending(truth, int(said["a"]))[0]
    return None


def _other(rng: np.random.Generator, values: list[str], value: str) -> str:
    return str(rng.choice([each for each in values if each != value]))


def _other_task(truth: Truth, said: Claim, rng: np.random.Generator) -> Claim:
    if rng.random() < 0.5:
        return said.but(reduction=_other(rng, ["sum", "largest"], said["reduction"]))
    names = [*COLOURS, *MARKS, *(f"{axis} {k}" for axis in ("row", "column") for k in (1, 2, 3))]
    return said.but(selection=_other(rng, names, said["selection"]))


def _misread(truth: Truth, said: Claim, rng: np.random.Generator) -> Claim:
    if said["what"] in LOOK_ALIKE and rng.random() < 0.4:
        return said.but(what=LOOK_ALIKE[said["what"]])
    if rng.random() < 0.75:
        return said.but(what=_other(rng, [str(digit) for digit in range(10)], said["what"]))
    return _extra_cell(truth, said, rng)


def _extra_cell(truth: Truth, said: Claim, rng: np.random.Generator) -> Claim:
    """A cell that the question is not about."""
    grid = truth.grids[truth.selection.image - 1]
    places = [(r + 1, c + 1) for r in range(len(grid.digits)) for c in range(len(grid.digits[0]))]
    others = [place for place in places if place not in truth.cells]
    row, column = others[rng.integers(len(others))] if others else (len(grid.digits) + 1, 1)
    outside = not others
    digit = int(rng.integers(10)) if outside else truth.digit((row, column))
    return claim("read", row=row, column=column, what=digit)


def _miscalculated(truth: Truth, said: Claim, rng: np.random.Generator) -> Claim:
    field = str(rng.choice(["a", "b", "c", "c", "c"]))
    if said.kind == "largest" and field == "c" and said["a"] != said["b"]:
        return said.but(c=min(said["a"], said["b"], key=int))
    return said.but(**{field: _off(int(said[field]), rng)})


def _off(value: int, rng: np.random.Generator) -> int:
    near = [n for n in range(max(0, value - 3), value + 4) if n != value]
    return int(rng.choice(near))


def _wrong_total(truth: Truth, said: Claim, rng: np.random.Generator) -> Claim:
    if len(truth.running) > 1 and rng.random() < 0.4 and truth.running[-2] != truth.total:
        return total(truth, truth.running[-2])
    return total(truth, _off(truth.total, rng))


def _wrong_walk(truth: Truth, said: Claim, rng: np.random.Generator) -> Claim:
    parts = [part.split() for part in said["walk"].split(", ")]
    right = next((k for k, part in enumerate(parts) if part[2] == "yes"), 0)
    other = int(rng.choice([k for k in range(len(parts)) if k != right]))
    if rng.random() < 0.15:
        parts[other][1] = str(_off(int(parts[other][1]), rng))
    else:
        parts[right][2], parts[other][2] = "no", "yes"
    return said.but(walk=", ".join(" ".join(part) for part in parts))


def _wrong_word(truth: Truth, said: Claim, rng: np.random.Generator) -> Claim:
    if rng.random() < 0.6:
        return said.but(word="no" if said["word"] == "yes" else "yes")
    field = str(rng.choice(["value", "threshold"]))
    return said.but(**{field: _off(int(said[field]), rng)})


def _wrong_answer(truth: Truth, said: Claim, rng: np.random.Generator) -> Claim:
    if truth.finish == "option":
        return said.but(text=_other(rng, list(LETTERS[: len(truth.options)]), said["text"]))
    if truth.finish == "compare":
        return said.but(text="No" if said["text"] == "Yes" else "Yes")
    return said.but(text=_off(int(said["text"]), rng))
