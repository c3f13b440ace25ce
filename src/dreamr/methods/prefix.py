"""The answer so far, and the rules by which a step extends or ends it."""

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from dreamr.engines.protocol import Generation
from dreamr.methods.protocol import Finish, Limits, Writer
from dreamr.prompts import STEP_BREAK, Prompt
from dreamr.steps import is_blank, single_steps, through_answer, without_tags


@dataclass(frozen=True)
class Prefix:
    """An answer so far: the committed one, or the one that there will be if the drafts ahead are accepted.

    All limits follow from the prefix alone, never from what else is under way, so timing cannot change a text.
    """

    prompt: Prompt  # its `answer` holds the steps
    limits: Limits
    index: int = 0  # of the next unit
    tokens: int = 0  # of the steps, each as counted by its writer's tokenizer
    finish: Finish | None = None  # why nothing follows
    shared: bool = True  # both models read it, step by step; false where one model answers alone

    @property
    def left(self) -> int:
        """What remains of the answer's budget, in tokens."""
        return self.limits.answer_tokens - self.tokens

    @property
    def room(self) -> int:
        """Cap on the next step, in tokens."""
        return min(self.limits.step_tokens, self.left)

    def taken(self, step: Generation, writer: Writer) -> Generation:
        """`step` as the answer takes it, were it to follow: an answer line ends it, and with it the run.

        A draft's thinking tags mean nothing in an answer that the target reads: whether thinking is over is for the
        target to write (our decision).
        """
        text = without_tags(step.text) if writer == "draft" and self.shared else step.text
        open_line = self.prompt.answer.rpartition("\n")[2]  # a capped step may have begun the answer line
        answer = through_answer(open_line + text, whole=step.finish != "length")
        if answer is None:
            return replace(step, text=text)
        return replace(step, text=answer[len(open_line) :], finish="end")

    def forbids(self, draft: Generation) -> bool:
        """Whether a taken `draft` can never be accepted.

        A step of it says nothing, or is an answer line that only the target may write. A whole answer has no answer
        line.
        """
        answers = self.after(draft).finish == "answer"
        if self.limits.unit == math.inf:
            return not answers
        blank = any(map(is_blank, single_steps(draft.text)))
        return blank or (answers and not self.limits.draft_answers)

    def after(self, step: Generation) -> "Prefix":
        """The answer with a taken `step` behind it. A capped step gets no blank line: it goes on."""
        longer = replace(self, prompt=replace(self.prompt, answer=self.prompt.answer + _whole(step)))
        longer = replace(longer, index=self.index + 1)
        longer = replace(longer, tokens=self.tokens + step.tokens)
        return replace(longer, finish=_finish(longer, step))


async def unit(steps: AsyncIterator[Generation], size: float) -> Generation:
    """The next `size` steps as one, or what there is of them; there is one at least."""
    whole, count = await anext(steps), 1
    while count < size and (step := await anext(steps, None)):
        whole, count = _joined(whole, step), count + 1
    return whole


def _joined(before: Generation, step: Generation) -> Generation:
    return Generation(_whole(before) + step.text, before.tokens + step.tokens, step.finish)


def _whole(step: Generation) -> str:
    """The text of a step with the blank line that ends it; a capped step has none."""
    return step.text + (STEP_BREAK if step.finish == "stop" else "")


def _finish(prefix: Prefix, step: Generation) -> Finish | None:
    if step.finish == "end":
        return "answer" if through_answer(prefix.prompt.answer) else "end"
    return "budget" if prefix.left <= 0 else None
