"""FPSR, fully parallel speculative reasoning (paper section 3; its pseudo-code is not public, so this is our decision).

1. The draft writes on without waiting for anybody. Up to `window` of its steps are under verification at once.
2. A request starts the moment its prompt is known: the target's own version of a step with the step's prefix, the
   verdict with the draft's step.
3. Steps are committed in order, on verdicts alone. Accepted: the draft's step stands and the target's version is
   dropped (early stop). Rejected: all verdicts and versions behind it are dropped, the target's version, long under
   way, is committed (clean fallback), the target writes on behind it without a new start, and drafting starts anew;
   unless the target wrote the rejected step itself, for then the drafts behind it still hold.
4. No decision asks which request came first. So the text is a function of the models alone, and so is a refusal: it
   counts where the answer needs what was refused.

DREAM-R is this loop with a SAPO draft and the CPN verifier, DREAM-R-NS the same with the plain draft.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from dreamr.config import Method
from dreamr.engines.protocol import Generation
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.run import Begun, QuestionRun, running
from dreamr.methods.streams import Feed, Stream
from dreamr.prompts import Prompt
from dreamr.verifiers import Verdict, Verifier, verifier


async def answer(prompt: Prompt, engines: Engines, method: Method, limits: Limits) -> Outcome:
    """The answer of both models, with everything in flight together."""
    assert method.window is not None, "the configuration sees to that"
    async with running(prompt, engines, limits) as run:
        own = None
        while run.prefix.finish is None:
            own = await _Chain(run, verifier(method), method.window).extend(own)
    return run.outcome()


@dataclass(frozen=True)
class _Attempt:
    """One draft step under verification, beside the target's own version of it: the next step of `own`."""

    draft: Generation
    verdict: Begun[Verdict]
    own: Stream


class _Chain:
    """One stream of drafts from the committed prefix."""

    def __init__(self, run: QuestionRun, judge: Verifier, window: int) -> None:
        self._run = run
        self._judge = judge
        self._window = window
        self._drafts = Stream(run, "draft", run.prefix)

    async def extend(self, own: Stream | None) -> Stream | None:
        """Commit until the target has written something else than the draft, or the answer ends.

        `own` is the target's stream from the committed prefix, if one is under way; returned is the one that goes on.
        """
        holds = True
        while holds and self._run.prefix.finish is None:
            own, holds = await self._fly(own)
        self._drafts.task.cancel()
        return own

    async def _fly(self, own: Stream | None) -> tuple[Stream | None, bool]:
        """Commit in order through the first rejection; the stream that goes on, and whether the drafts still hold."""
        run, room = self._run, asyncio.Semaphore(self._window)
        attempts = Feed(run, run.prefix.index, self._attempts(own, room))
        while run.prefix.finish is None:
            attempt = await attempts.at(run.prefix.index)
            verdict = await attempt.verdict
            if not verdict.accepted:
                return attempt.own, await self._fall_back(attempt, verdict)
            attempt.own.task.cancel()
            run.accept(attempt.draft, verdict)
            room.release()
        return None, False

    async def _attempts(self, own: Stream | None, room: asyncio.Semaphore) -> AsyncGenerator[_Attempt, None]:
        """Open attempt after attempt, as the draft writes and the window has room."""
        run, prefix = self._run, self._run.prefix
        while prefix.finish is None:
            await room.acquire()
            own = own or Stream(run, "target", prefix)
            draft = await self._drafts.at(prefix.index)
            yield _Attempt(draft, run.start(run.verify(self._judge, prefix, draft)), own)
            prefix, own = prefix.after(draft), None

    async def _fall_back(self, attempt: _Attempt, verdict: Verdict) -> bool:
        """Drop what builds on a rejected step, but not the drafts, and commit the target's version of it."""
        self._run.cancel(self._drafts.task, attempt.own.task)
        own = await attempt.own.at(self._run.prefix.index)
        self._run.overrule(attempt.draft, verdict, own)
        return own == attempt.draft
