"""What simulated models say: scripts for tests, and recorded traces to be replayed under other costs."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from dreamr.engines.protocol import Finish, Generation
from dreamr.prompts import ALIGN, STEP_BREAK, Prompt
from dreamr.records import Step, Trace
from dreamr.steps import split

FILLER = "..."  # stands for a step that was dropped unseen
_WORD = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True)
class Script:
    """A model made of two functions of the steps so far. A word is a token, so is the blank line.

    `step` gives the next step, with its blank line, or without one where the end token follows. `verdict` gives the
    probability of the first of two keywords, the last of the steps being the one that is judged.
    """

    step: Callable[[tuple[str, ...]], str]
    verdict: Callable[[tuple[str, ...]], float] = lambda steps: 0.5

    def write(self, prompt: Prompt, room: int) -> Generation:
        """The next step or, behind a capped one, its rest."""
        head, ended, begun = prompt.answer.rpartition(STEP_BREAK)
        step = self.step(split(head + ended) if ended else ())
        words = _WORD.findall(step.removeprefix(begun))
        ends = not step.endswith(STEP_BREAK)
        tokens = len(words) + 1 if ends else len(words)  # the end token is one
        if tokens > room:
            return Generation("".join(words[:room]), room, "length")
        return Generation("".join(words).removesuffix(STEP_BREAK), tokens, "end" if ends else "stop")

    def logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        """Of two keywords: p and 1 - p; of ten digits: all on the one that p falls on."""
        p = self.verdict(split(prompt.answer))
        if len(keywords) == 2:
            return _log(p), _log(1 - p)
        return tuple(_log(float(place == min(int(p * 10), 9))) for place in range(len(keywords)))


def _log(p: float) -> float:
    return math.log(p) if p > 0 else -math.inf


@dataclass(frozen=True)
class Recorded:
    """One model of a recorded trace: what it wrote behind each prefix, and how it judged.

    Where the trace does not tell, because the work was dropped, it writes a filler of `usual` tokens and judges even.
    """

    written: dict[str, Generation]  # by the answer so far
    verdicts: dict[str, float]  # by the answer so far with the judged step
    usual: int

    def write(self, prompt: Prompt, room: int) -> Generation:
        known = self.written.get(prompt.answer)
        return known or Generation(FILLER, min(self.usual, room), "stop" if self.usual <= room else "length")

    def logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        judged = prompt.answer
        if prompt.request == ALIGN:  # the target's version stands behind the judged one
            judged = judged.removesuffix(STEP_BREAK).rpartition(STEP_BREAK)[0] + STEP_BREAK
        value = self.verdicts.get(judged, 0.5)
        if len(keywords) == 2:
            return _log(value), _log(1 - value)
        return tuple(_log(float(digit == value)) for digit in range(len(keywords)))


def replay(trace: Trace) -> tuple[Recorded, Recorded]:
    """Target and draft of `trace`, to be run by its own method, or by another schedule of the same verifier.

    The answer is the recorded one under any cost. What was dropped unseen is as long as the step that took its place
    (our decision), so times are projections. A refused question has no answer to be replayed: ValueError.
    """
    if trace.refusal:
        raise ValueError(f"{trace.benchmark}, {trace.question} was refused by {trace.refused_by}: {trace.refusal}")
    usual = max(1, round(trace.tokens / len(trace.steps)))
    words = sum(len(step.text.split()) for step in trace.steps)
    target, draft = Recorded({}, {}, usual), Recorded({}, {}, usual)
    answer = ""
    for step, finish in zip(trace.steps, _finishes(trace), strict=True):
        version = Generation(step.text, step.tokens, finish)
        draft.written[answer] = version
        if step.rejected is not None and step.rejected != step.text:
            tokens = max(1, round(len(step.rejected.split()) * trace.tokens / max(1, words)))
            draft.written[answer] = Generation(step.rejected, tokens, "stop")
        target.written[answer] = version if _is_targets(step) else Generation(FILLER, step.tokens, "stop")
        if step.verdict is not None:
            target.verdicts[answer + draft.written[answer].text + STEP_BREAK] = step.verdict
        answer += step.text + (STEP_BREAK if finish == "stop" else "")
    return target, draft


def _is_targets(step: Step) -> bool:
    """Whether the target is known to have written this text: lookahead accepts equal versions without a verdict."""
    return step.writer == "target" or (step.accepted is True and step.verdict is None)


def _finishes(trace: Trace) -> list[Finish]:
    """How each step ended."""
    finishes: list[Finish] = ["length" if step.capped else "stop" for step in trace.steps]
    return finishes if trace.finish == "budget" else [*finishes[:-1], "end"]
