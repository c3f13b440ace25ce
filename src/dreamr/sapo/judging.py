"""The target's verdicts on whole answers, as SAPO's alignment reward needs them.

A verdict is the one of the evaluation: CPN's request and keywords behind the same prefix, and the threshold of the
reference method, as the configuration demands. What differs is that nothing depends on anything: an answer's requests
are made at once, as soon as it is written, and equal ones once a batch, since completions of one question share their
beginnings.
"""

import asyncio
from collections.abc import Sequence

from dreamr.engines.protocol import Engine
from dreamr.prompts import Prompt, continued
from dreamr.steps import is_blank
from dreamr.verifiers import CpnVerifier, Verdict

Answer = tuple[Prompt, tuple[str, ...]]  # a question and the steps of one completion


class Judge:
    """The target, asked about the answers of one batch after the other. Lives in one event loop."""

    def __init__(self, target: Engine, alpha: float) -> None:
        self._target, self._verifier = target, CpnVerifier(alpha)
        self._asked: dict[tuple[Prompt, str], asyncio.Task[Verdict]] = {}

    def begin(self, answer: Answer) -> None:
        """Ask now what `verdicts` will ask about this answer."""
        for prompt, step in _requests(*answer):
            if not is_blank(step) and (prompt, step) not in self._asked:
                verdict = asyncio.ensure_future(self._verifier(self._target, prompt, step, ""))
                self._asked[prompt, step] = verdict

    async def verdicts(self, answers: Sequence[Answer]) -> list[list[bool]]:
        """Whether the target accepts each step of each answer of a batch, behind the answer's own steps before it.

        A step that says nothing is rejected unasked.
        """
        for answer in answers:
            self.begin(answer)
        found = dict(zip(self._asked, await asyncio.gather(*self._asked.values()), strict=True))
        self._asked.clear()
        return [[request in found and found[request].accepted for request in _requests(*answer)] for answer in answers]


def _requests(prompt: Prompt, steps: tuple[str, ...]) -> list[tuple[Prompt, str]]:
    return [(continued(prompt, steps[:place]), step) for place, step in enumerate(steps)]
