"""The target's verdicts on whole answers, as SAPO's alignment reward needs them.

A verdict is the one of the evaluation: CPN's request and keywords behind the same prefix, and the threshold of the
reference method, as the configuration demands. What differs is that nothing depends on anything: an answer's requests
are made at once, as soon as it is written, and equal ones once a batch, since completions of one question share their
beginnings.
"""

import asyncio
from collections.abc import Sequence

from dreamr.engines.protocol import Engine, Refused
from dreamr.prompts import Prompt, continued
from dreamr.steps import is_blank
from dreamr.verifiers.cpn import CpnVerifier

Answer = tuple[Prompt, tuple[str, ...]]  # a question and the steps of one completion


class Judge:
    """The target, asked about the answers of one batch after the other. Lives in one event loop."""

    def __init__(self, target: Engine, alpha: float) -> None:
        self._target, self._verifier = target, CpnVerifier(alpha)
        self._asked: dict[tuple[Prompt, str], asyncio.Task[bool]] = {}

    def begin(self, answer: Answer) -> None:
        """Ask now what `verdicts` will ask about this answer."""
        for prompt, step in _requests(*answer):
            if not is_blank(step) and (prompt, step) not in self._asked:
                self._asked[prompt, step] = asyncio.create_task(self._accepts(prompt, step))

    async def verdicts(self, answers: Sequence[Answer]) -> list[list[bool]]:
        """Whether the target accepts each step of each answer of a batch, behind the answer's own steps before it.

        A step that says nothing is rejected unasked, one that the target cannot judge is rejected too.
        """
        for answer in answers:
            self.begin(answer)
        accepted = dict(zip(self._asked, await asyncio.gather(*self._asked.values()), strict=True))
        self._asked.clear()
        return [[accepted.get(request, False) for request in _requests(*answer)] for answer in answers]

    async def _accepts(self, prompt: Prompt, step: str) -> bool:
        try:
            return (await self._verifier(self._target, prompt, step, "")).accepted
        except Refused:  # a text too long for it, or a verdict that is no number: no loop could take this step
            return False


def _requests(prompt: Prompt, steps: tuple[str, ...]) -> list[tuple[Prompt, str]]:
    return [(continued(prompt, steps[:place]), step) for place, step in enumerate(steps)]
