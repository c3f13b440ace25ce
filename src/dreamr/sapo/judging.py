"""The target's verdicts on whole answers, as SAPO's alignment reward needs them.

A verdict is the one of the evaluation: CPN's request and keywords behind the same prefix, and the threshold of the
reference method, as the configuration demands. What differs is that nothing depends on anything, so all requests of a
batch are made at once and equal ones only once: completions of one question share their beginnings.
"""

import asyncio
from collections.abc import Sequence

from dreamr.engines.protocol import Engine
from dreamr.prompts import Prompt, continued
from dreamr.steps import is_blank
from dreamr.verifiers import CpnVerifier

Answer = tuple[Prompt, tuple[str, ...]]  # a question and the steps of one completion


async def verdicts(target: Engine, alpha: float, answers: Sequence[Answer]) -> list[list[bool]]:
    """Whether the target accepts each step of each answer, behind the answer's own steps before it.

    A step that says nothing is rejected unasked.
    """
    verifier, asked = CpnVerifier(alpha), {}
    for prompt, step in {request: None for answer in answers for request in _requests(*answer)}:
        if not is_blank(step):
            asked[prompt, step] = verifier(target, prompt, step, "")
    found = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
    return [[request in found and found[request].accepted for request in _requests(*answer)] for answer in answers]


def _requests(prompt: Prompt, steps: tuple[str, ...]) -> list[tuple[Prompt, str]]:
    return [(continued(prompt, steps[:place]), step) for place, step in enumerate(steps)]
