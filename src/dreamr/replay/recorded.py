"""What the two models of a recorded trace said, so that the real loops run on it again under other costs.

Texts and verdicts are the trace's. Lengths are counted, not guessed from words: those of committed steps as recorded,
those of rejected drafts and of the target's own versions from the spans in which they were written, those of the
question, its pictures included, by the model's own processor before anything was asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dreamr.engines.protocol import Finish, Generation
from dreamr.engines.scripts import log
from dreamr.prompts import ALIGN, STEP_BREAK, Prompt
from dreamr.records import Span, Step, Trace
from dreamr.steps import split

FILLER = "..."  # stands for a step that was dropped unseen


@dataclass(frozen=True)
class Recorded:
    """One model of a recorded trace: what it wrote behind each prefix, and how it judged.

    Where the trace does not tell, because the work was dropped, it writes a filler of `usual` tokens and judges even.
    """

    written: dict[str, Generation]  # by the answer so far
    verdicts: dict[str, float]  # by the answer so far with the judged step
    usual: int
    lengths: Mapping[str, int]  # tokens of a step, by its text
    question: int  # tokens of the prompt before any answer

    def write(self, prompt: Prompt, room: int) -> Generation:
        known = self.written.get(prompt.answer)
        return known or Generation(FILLER, min(self.usual, room), "stop" if self.usual <= room else "length")

    def logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        judged = prompt.answer
        if prompt.request == ALIGN:  # the target's version stands behind the judged one
            judged = judged.removesuffix(STEP_BREAK).rpartition(STEP_BREAK)[0] + STEP_BREAK
        value = self.verdicts.get(judged, 0.5)
        if len(keywords) == 2:
            return log(value), log(1 - value)
        return tuple(log(float(digit == value)) for digit in range(len(keywords)))

    def tokens(self, prompt: Prompt) -> list[int]:
        """Tokens of the question and of each step of the answer so far; those of a verdict's request are its words."""
        steps = [self.lengths.get(step, self.usual) for step in split(prompt.answer)]
        return [self.question, *steps, *([len(prompt.request.split())] if prompt.request else [])]


def recorded(trace: Trace) -> tuple[Recorded, Recorded]:
    """Target and draft of `trace`, to be run by its own method, or by another schedule of the same verifier.

    The answer is the recorded one under any cost. A version that was dropped before its end is taken to be as long as
    the step that took its place, or as it had become (our decision). A refused question has no answer: ValueError.
    """
    if trace.refusal:
        raise ValueError(f"{trace.benchmark}, {trace.question} was refused by {trace.refused_by}: {trace.refusal}")
    own, drafts = _last_written(trace.spans, "target"), _last_written(trace.spans, "draft")
    written: dict[str, dict[str, Generation]] = {"target": {}, "draft": {}}
    verdicts: dict[str, float] = {}
    answer = ""
    for place, (step, finish) in enumerate(zip(trace.steps, _finishes(trace), strict=True)):
        version = Generation(step.text, step.tokens, finish)
        written["draft"][answer] = _draft(step, version, drafts.get(place))
        written["target"][answer] = version if _is_targets(step) else _unseen(step, own.get(place))
        if step.verdict is not None:
            verdicts[answer + written["draft"][answer].text + STEP_BREAK] = step.verdict
        answer += step.text + (STEP_BREAK if finish == "stop" else "")
    lengths = {version.text: version.tokens for part in written.values() for version in part.values()}
    usual = max(1, round(trace.tokens / len(trace.steps)))
    read = [fit.tokens or 0 for fit in trace.fits] or [0]
    target, draft = (
        Recorded(written[who], verdicts, usual, lengths, read[place]) for who, place in (("target", 0), ("draft", -1))
    )
    return target, draft


def _last_written(spans: Sequence[Span], kind: str) -> dict[int, Span]:
    """By step, the last request that wrote it: those before it stood behind a prefix that was rejected."""
    return {span.step: span for span in spans if span.kind == kind and span.tokens}


def _draft(step: Step, version: Generation, span: Span | None) -> Generation:
    """What the draft wrote where `step` came to stand."""
    if step.rejected is None or step.rejected == step.text:
        return version
    return Generation(step.rejected, span.tokens if span else version.tokens, "stop")


def _unseen(step: Step, span: Span | None) -> Generation:
    """The target's own version of a step that was the draft's; nobody kept its text."""
    if span is None:
        return Generation(FILLER, step.tokens, "stop")
    return Generation(FILLER, max(span.tokens + 1, step.tokens) if span.cancelled else span.tokens, "stop")


def _is_targets(step: Step) -> bool:
    """Whether the target is known to have written this text: lookahead accepts equal versions without a verdict."""
    return step.writer == "target" or (step.accepted is True and step.verdict is None)


def _finishes(trace: Trace) -> list[Finish]:
    """How each step ended."""
    finishes: list[Finish] = ["length" if step.capped else "stop" for step in trace.steps]
    return finishes if trace.finish == "budget" else [*finishes[:-1], "end"]
