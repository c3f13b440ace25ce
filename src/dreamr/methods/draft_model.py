"""Speculative decoding with a draft model (a baseline of the paper), greedy and token by token.

The draft writes some tokens, the target tells its own choice behind each of them at once, and the longest beginning in
which both agree is kept, with the target's next token behind it. So every token is the target's own, and the text is
that of the target alone. vLLM has no draft models for these families; here both are engines as in the other loops.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from dreamr.components import Loop
from dreamr.config import Method
from dreamr.engines.protocol import Last, Refused, TokenEngine
from dreamr.errors import UserError
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.run import QuestionRun, running
from dreamr.prompts import STEP_BREAK, Prompt

LOOP = Loop(
    label="token-level speculation by a draft model",
    draft=True,
    target_writes="all steps",
    settings=frozenset({"proposed_tokens"}),
    batched="target_only",
    lossless=True,
    by_token=True,
)


async def answer(prompt: Prompt, engines: Engines, method: Method, limits: Limits) -> Outcome:
    """The target's answer. Step ends, answer line and budget are those of the other loops."""
    assert method.proposed_tokens is not None, "the configuration sees to that"
    target, draft = engines.of("target"), engines.of("draft")
    assert isinstance(target, TokenEngine) and isinstance(draft, TokenEngine)
    if target.tokenizer != draft.tokenizer:
        raise UserError("token by token, draft and target need one tokenizer, and these two models have two")
    async with running(prompt, engines, limits) as run:
        tokens = _Speculation(run, target, draft, method.proposed_tokens)
        steps = target.steps(
            prompt, tokens, stop=STEP_BREAK, step_tokens=limits.step_tokens, max_tokens=limits.answer_tokens
        )
        async with aclosing(steps):
            while run.prefix.finish is None:
                run.commit(run.prefix.taken(await anext(steps), "target"), "target")
    return run.outcome()


@dataclass(frozen=True)
class _Speculation:
    """Where the tokens of an answer come from."""

    run: QuestionRun
    target: TokenEngine
    draft: TokenEngine
    most: int  # that are proposed at once

    async def __call__(self, prompt: Prompt, left: int) -> AsyncGenerator[tuple[int, Last | None], None]:
        """The target's tokens behind `prompt`, up to the end token or until `left` are spent."""
        behind: tuple[int, ...] = ()
        while left > 0:
            proposed = await self._proposed(prompt, behind, min(self.most, left - 1))
            for token, ends in await self.run.check(self.target, prompt, behind, proposed):
                behind, left = (*behind, token), left - 1
                yield token, "end" if ends else "length" if left == 0 else None
                if ends:
                    return

    async def _proposed(self, prompt: Prompt, behind: tuple[int, ...], most: int) -> tuple[int, ...]:
        """None where the draft refuses: the answer needs no proposal."""
        try:
            return await self.run.propose(self.draft, prompt, behind, most) if most else ()
        except Refused:
            return ()
