"""Questions about grids of digits, as programs: select cells, reduce their digits, finish with an answer.

All of this is our decision: the smallest world in which a model must look, reason over several steps, and answer in the
forms that the four benchmarks ask for.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Literal

import numpy as np

from dreamr.records import Record

LETTERS = "ABCD"
COLOURS = ("red", "green", "blue")
MARKS = ("grey", "yellow")
MARKED = 2  # cells with a mark

Reduction = Literal["sum", "largest"]
By = Literal["row", "column", "mark"]
Finish = Literal["value", "option", "compare"]


class Grid(Record):
    """One image: a digit, an ink and a mark ("" for none) per cell."""

    digits: tuple[tuple[int, ...], ...]
    inks: tuple[tuple[str, ...], ...]
    marks: tuple[tuple[str, ...], ...]


class Selection(Record):
    """Which cells a question is about: those of a row, a column or a mark of one image (counted from 1)."""

    by: By
    value: str
    image: int = 1

    @property
    def name(self) -> str:
        short = f"{self.by} {self.value}" if self.by in ("row", "column") else self.value
        return f"{short} of picture {self.image}" if self.image > 1 else short

    @property
    def phrase(self) -> str:
        return f"the digits {'on' if self.by == 'mark' else 'in'} {self.name}"


class Truth(Record):
    """Everything there is to know about one question; what the oracle judges steps by."""

    grids: tuple[Grid, ...]
    selection: Selection
    reduction: Reduction
    finish: Finish
    options: tuple[str, ...] = ()
    threshold: int = 0

    @property
    def cells(self) -> tuple[tuple[int, int], ...]:
        """Selected cells (row, column), counted from 1, in reading order."""
        grid, by = self.grids[self.selection.image - 1], self.selection.by
        places = [(r, c) for r in range(len(grid.digits)) for c in range(len(grid.digits[0]))]
        if by == "mark":
            kept = [(r, c) for r, c in places if grid.marks[r][c] == self.selection.value]
        else:
            axis = 0 if by == "row" else 1
            kept = [place for place in places if place[axis] == int(self.selection.value) - 1]
        return tuple((r + 1, c + 1) for r, c in kept)

    def digit(self, cell: tuple[int, int]) -> int:
        return self.grids[self.selection.image - 1].digits[cell[0] - 1][cell[1] - 1]

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(self.digit(cell) for cell in self.cells)

    @property
    def running(self) -> tuple[int, ...]:
        """Result after the first, second, ... selected digit."""
        return tuple(accumulate(self.values, max if self.reduction == "largest" else None))

    @property
    def total(self) -> int:
        return self.running[-1]

    def answer(self, total: int) -> str:
        """What someone who found `total` answers: a letter (of the nearest option), Yes or No, or the number."""
        if self.finish == "option":
            return LETTERS[min(range(len(self.options)), key=lambda i: abs(int(self.options[i]) - total))]
        if self.finish == "compare":
            return "Yes" if total > self.threshold else "No"
        return str(total)

    @property
    def gold(self) -> str:
        return self.answer(self.total)

    @property
    def question(self) -> str:
        """The question in words, without options."""
        asked = f"the {self.reduction} of {self.selection.phrase}"
        return f"Is {asked} greater than {self.threshold}?" if self.finish == "compare" else f"What is {asked}?"


def random_grid(rng: np.random.Generator, rows: int, columns: int) -> Grid:
    """A grid without marks."""
    digits = rng.integers(0, 10, (rows, columns)).tolist()
    inks = rng.choice(COLOURS, (rows, columns)).tolist()
    return Grid(digits=_frozen(digits), inks=_frozen(inks), marks=(("",) * columns,) * rows)


def marked(grid: Grid, cells: tuple[tuple[int, int], ...], mark: str) -> Grid:
    """`grid` with `mark` behind `cells` (counted from 1) and nowhere else."""
    places = range(1, len(grid.digits) + 1), range(1, len(grid.digits[0]) + 1)
    marks = tuple(tuple(mark if (r, c) in cells else "" for c in places[1]) for r in places[0])
    return grid.model_copy(update={"marks": marks})


def random_selection(rng: np.random.Generator, grid: Grid) -> tuple[Grid, Selection]:
    """A selection of one to three cells, and the grid with the marks that it needs.

    A mark is behind two cells: a model this small does not learn to see that there is a third one left to read.
    """
    rows, columns = len(grid.digits), len(grid.digits[0])
    by: By = chosen(rng, ["row", "row", "mark", "mark"] + (["column"] if rows > 1 else []))
    if by == "mark":
        mark = str(rng.choice(MARKS))
        picked = rng.choice(rows * columns, MARKED, replace=False).tolist()
        cells = tuple((place // columns + 1, place % columns + 1) for place in picked)
        return marked(grid, cells, mark), Selection(by=by, value=mark)
    return grid, Selection(by=by, value=str(rng.integers(1, (rows if by == "row" else columns) + 1)))


def random_truth(
    rng: np.random.Generator, finishes: tuple[str, ...] = ("value", "option", "compare"), images: int = 1
) -> Truth:
    """A random question with one of the given finishes; with several images it is about a row of one of them."""
    if images > 1:
        grids = tuple(random_grid(rng, int(rng.integers(1, 3)), int(rng.integers(2, 4))) for _ in range(images))
        selection = Selection(by="row", value="1", image=int(rng.integers(1, images + 1)))
    else:
        grid, selection = random_selection(rng, random_grid(rng, int(rng.integers(1, 4)), int(rng.integers(2, 4))))
        grids = (grid,)
    reduction: Reduction = chosen(rng, ["sum", "sum", "sum", "largest", "largest"])
    truth = Truth(grids=grids, selection=selection, reduction=reduction, finish=chosen(rng, finishes))
    return finished(truth, rng)


def finished(truth: Truth, rng: np.random.Generator, options: int = 4) -> Truth:
    """`truth` with the options or the threshold that its finish needs."""
    if truth.finish == "compare":
        return truth.model_copy(update={"threshold": max(0, truth.total + int(rng.integers(-5, 5)))})
    if truth.finish == "option":
        return truth.model_copy(update={"options": random_options(rng, truth.total, options)})
    return truth


def random_options(rng: np.random.Generator, total: int, count: int = 4) -> tuple[str, ...]:
    """`count` different numbers near `total`, itself among them, in random order."""
    near = [n for n in range(max(0, total - 6), total + 7) if n != total]
    values = [total, *rng.choice(near, count - 1, replace=False).tolist()]
    return tuple(str(value) for value in rng.permutation(values).tolist())


def chosen(rng: np.random.Generator, words: Sequence[str]) -> Any:
    """One of several words, as a plain string."""
    return str(rng.choice(words))


def _frozen(table: list[list[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in table)
