"""FPSR, fully parallel speculative reasoning (paper, section 3). Its pseudo-code was not at hand; this is our decision.

1. The draft writes on without waiting for anybody, up to `window` steps ahead of the committed answer. There its
   request ends, and a new one goes on once there is room.
2. A request starts the moment its prompt is known: the target's own version of a step with the step's prefix, the
   verdict with the draft's step.
3. Steps are committed in order, on verdicts alone. Accepted: the draft's step stands and the target's version is
   dropped (early stop). Rejected: all verdicts and versions behind it are dropped, the target's version, long under
   way, is committed (clean fallback), the target writes on behind it without a new start, and drafting starts anew;
   unless the target wrote the rejected step itself, for then the drafts behind it still hold.
4. No decision asks which request came first. So the text is a function of the models alone, and so is a refusal: it
   counts where the answer needs what was refused.

DREAM-R is this loop with a SAPO draft and the CPN verifier, DREAM-R-NS the same with the plain draft. Two settings say
how much the target does of 2 and 3, for the same text. `target_speculation`: it writes against the draft at all places
of the window (as we read our sources of the paper), at the first undecided one alone, or only where a verdict has
rejected the draft's step. `continues`: whether it writes on behind a step of its own. With neither this is a pipeline
of drafts and verdicts, in which the target writes nothing in vain.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from dreamr.components import Loop
from dreamr.config import Method
from dreamr.engines.protocol import Generation
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.run import PendingTask, QuestionRun, running
from dreamr.methods.streams import Feed, Stream, Versions
from dreamr.prompts import Prompt
from dreamr.verifiers.protocol import Verdict, verifier

LOOP = Loop(
    label="FPSR",
    draft=True,
    target_writes="rejected steps",
    judges="step",
    settings=frozenset({"verifier", "window", "target_speculation", "continues"}),
    may_set=frozenset({"answers", "steps_per_verdict"}),
    batched="specreason",
)


async def answer(prompt: Prompt, engines: Engines, method: Method, limits: Limits) -> Outcome:
    """The answer of both models, with everything in flight together."""
    async with running(prompt, engines, limits) as run:
        own = Versions(run, method.continues is True)
        while run.prefix.finish is None:
            await _Chain(run, method, own).extend()
    return run.outcome()


@dataclass(frozen=True)
class _Attempt:
    """One draft step under verification."""

    draft: Generation
    verdict: PendingTask[Verdict]


class _Chain:
    """One stream of drafts from the committed prefix."""

    def __init__(self, run: QuestionRun, method: Method, own: Versions) -> None:
        assert method.window is not None, "the configuration sees to that"
        self._run = run
        self._judge = verifier(method)
        self._window = method.window
        self._target_speculation = method.target_speculation
        self._own = own
        self._drafts = Stream(run, "draft", run.prefix, self._window)

    async def extend(self) -> None:
        """Commit until the target has written something else than the draft, or the answer ends."""
        while await self._fly():
            pass
        self._drafts.task.cancel()

    async def _fly(self) -> bool:
        """Commit in order through the first rejection; whether the drafts still hold behind it."""
        run = self._run
        attempts = Feed(run, run.prefix.index, self._attempts())
        while run.prefix.finish is None:
            if self._target_speculation == "frontier":
                self._own.begin(run.prefix)
            attempt = await attempts.at(run.prefix.index)
            verdict = await attempt.verdict
            if not verdict.accepted:
                return await self._fall_back(attempt, verdict)
            self._own.drop(run.prefix.index)
            run.accept(attempt.draft, verdict)
        return False

    async def _attempts(self) -> AsyncGenerator[_Attempt, None]:
        """Open attempt after attempt, as the draft writes and the window has room."""
        run, prefix = self._run, self._run.prefix
        while prefix.finish is None:
            await run.opened(prefix.index, self._window)
            if self._target_speculation == "all":
                self._own.begin(prefix)
            draft = await self._drafts.at(prefix.index)
            yield _Attempt(draft, run.start(run.verify(self._judge, prefix, draft)))
            prefix = prefix.after(draft)

    async def _fall_back(self, attempt: _Attempt, verdict: Verdict) -> bool:
        """Drop what builds on a rejected step, but not the drafts, and commit the target's version of it."""
        own = await self._own.take(self._run.prefix, self._drafts.task)
        self._run.reject_and_replace(attempt.draft, verdict, own)
        return own == attempt.draft
