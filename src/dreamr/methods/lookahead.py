"""Lookahead Reasoning, LR (arXiv 2506.19830), asynchronous, one draft per place.

The draft writes ahead. The target writes its own version of each step behind the draft's prefix, several at once. When
both versions of a step are there, a judge compares them. The answer is the accepted steps, then the target's version
of the first that differs; from it everything starts anew.

Departures from the published code: the judge is the target itself; the draft's steps are one request; nothing polls.
The window counts the places that are open at once, the one being drafted included, so the published depth of 4, which
lets five steps of the target be in flight, is a window of 5. With `continues` the target writes on behind a step that
differs, as FPSR's does; as published it is asked anew.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from dreamr import components
from dreamr.components import Loop
from dreamr.config import Method
from dreamr.engines.protocol import Generation
from dreamr.methods.prefix import Prefix
from dreamr.methods.protocol import Engines, Limits, Outcome
from dreamr.methods.run import PendingTask, QuestionRun, running
from dreamr.methods.streams import Feed, Stream, Versions
from dreamr.prompts import Prompt
from dreamr.steps import is_blank, same
from dreamr.verifiers.protocol import Verdict, verifier

LOOP = Loop(
    label="Lookahead Reasoning",
    draft=True,
    target_writes="all steps",  # drafts and verdicts pass while the target writes
    judges="versions",
    settings=frozenset({"verifier", "window", "continues"}),
)


async def answer(prompt: Prompt, engines: Engines, method: Method, limits: Limits) -> Outcome:
    """The answer of both models, `method.window` places at a time."""
    async with running(prompt, engines, limits) as run:
        own = Versions(run, method.continues is True)
        while run.prefix.finish is None:
            await _Lookahead(run, method, own).extend()
    return run.outcome()


@dataclass(frozen=True)
class _Place:
    """The draft's version of one step, and the verdict on whether the target's means the same."""

    draft: Generation
    verdict: PendingTask[Verdict]


class _Lookahead:
    """One chain of drafts from the committed prefix, and the target's version of each step."""

    def __init__(self, run: QuestionRun, method: Method, own: Versions) -> None:
        assert method.window is not None and method.verifier, "the configuration sees to that"
        self._run = run
        self._judge = verifier(method)
        self._compares = components.verdicts(method.verifier).judges is not None
        self._window = method.window
        self._own = own
        self._drafts = Stream(run, "draft", run.prefix, self._window)

    async def extend(self) -> None:
        """Commit step by step until the target's version differs or the answer ends."""
        run = self._run
        places = Feed(run, run.prefix.index, self._places())
        while run.prefix.finish is None:
            place = await places.at(run.prefix.index)
            verdict = await place.verdict
            if not verdict.accepted:
                run.reject_and_replace(place.draft, verdict, await self._own.take(run.prefix))
                return
            self._own.drop(run.prefix.index)
            run.accept(place.draft, verdict)

    async def _places(self) -> AsyncGenerator[_Place, None]:
        """Let the target start each step as soon as its prefix is drafted and the window has room."""
        run, prefix = self._run, self._run.prefix
        while prefix.finish is None:
            await run.opened(prefix.index, self._window)
            own = self._own.begin(prefix)
            draft = await self._drafts.at(prefix.index)
            yield _Place(draft, run.start(self._compare(prefix, draft, own)))
            prefix = prefix.after(draft)

    async def _compare(self, prefix: Prefix, draft: Generation, own: Feed[Generation]) -> Verdict:
        """The verdict once both versions are there; text that is equal and ends alike needs no judge, unless capped.

        A verifier that goes by no text is asked all the same.
        """
        version = await own.at(prefix.index)
        alike = draft.finish == version.finish != "length" and same(draft.text, version.text)
        if self._compares and alike and not is_blank(draft.text):
            return Verdict(None, True)
        return await self._run.verify(self._judge, prefix, draft, version.text)
