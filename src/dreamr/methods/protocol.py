"""What a loop is given and what it returns: `answer(prompt, engines, method, limits) -> Outcome`.

A loop is loaded by name, so that its code digest does not depend on the other loops.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from dreamr import components
from dreamr.config import Method
from dreamr.engines.protocol import Engine
from dreamr.prompts import Prompt
from dreamr.traces import Span, Step

Writer = Literal["draft", "target"]
Finish = Literal["answer", "end", "budget", "refused"]


@dataclass(frozen=True)
class Engines:
    """The models of one run; a single-model loop needs only its own."""

    target: Engine | None = None
    draft: Engine | None = None

    def of(self, writer: Writer) -> Engine:
        """The engine of `writer`; ValueError where the run has none."""
        engine = self.target if writer == "target" else self.draft
        if engine is None:
            raise ValueError(f"this method needs a {writer} engine and was given none")
        return engine

    def now(self) -> float:
        """Seconds on the clock that both engines share."""
        return (self.target or self.of("draft")).now()


@dataclass(frozen=True)
class Limits:
    """Caps in tokens, on one step and on the committed answer, and what loops do with steps.

    `unit`: how many steps are written, judged and committed as one; inf: all.
    """

    step_tokens: int
    answer_tokens: int
    draft_answers: bool = True  # whether a draft's step may hold the answer line
    unit: float = 1

    def under(self, method: Method) -> "Limits":
        """These limits, common to all methods, with what `method` changes about them."""
        tokens = self.answer_tokens * method.budget
        draft_answers, unit = method.answers != "target", method.steps_per_verdict or 1
        return replace(self, answer_tokens=tokens, draft_answers=draft_answers, unit=unit)


@dataclass(frozen=True)
class Outcome:
    """How a loop answered a question; fields as in `traces.Trace`."""

    text: str
    steps: tuple[Step, ...]
    finish: Finish
    drafted: int
    verified: int
    accepted: int
    tokens: int
    draft_tokens: int
    target_tokens: int
    spans: tuple[Span, ...]
    refused_by: str | None = None
    refusal: str | None = None


# What gives the verdicts in the target's place where a method's verifier is the oracle; loaded by name, as loops are.
ORACLE = "dreamr.micro.verdicts"

Loop = Callable[[Prompt, Engines, Method, Limits], Awaitable[Outcome]]


def load(loop: str) -> Loop:
    """The `answer` of the loop module named `loop`."""
    answer: Loop = components.LOOPS.load(loop).answer
    return answer
