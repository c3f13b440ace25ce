"""Engines on a simulated clock: the loops run on them unchanged, in microseconds, with exact times.

For property tests and for schedules worked by hand. Nothing from here is ever called measured.

    seconds, outcome = run(answer(prompt, Engines(VirtualEngine(target, Cost(1.0)), ...), method, limits))
"""

import asyncio
import math
import selectors
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from dreamr.engines.protocol import Choice, Generation, Meter, Source
from dreamr.engines.scripts import END, WORDS
from dreamr.engines.written import steps_of
from dreamr.prompts import STEP_BREAK, Prompt
from dreamr.steps import split

T = TypeVar("T")

# --- The clock ---


class _Leap(selectors.SelectSelector):
    """A selector that never waits: it moves the clock to the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everything waits for everything: no timer is left on the virtual clock")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only by timers. It has no input or output."""

    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.now


def run(work: Coroutine[Any, Any, T]) -> tuple[float, T]:
    """Carry `work` out on a fresh virtual clock; its simulated seconds and its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(work)
        return runner.get_loop().time(), result


# --- The cost of a request ---


@dataclass(frozen=True)
class Cost:
    """What a model's work costs, in seconds; `crowding` is the batching curve."""

    decode: float  # per generated token of a request that is alone
    prefill: float = 0.0  # per prompt token that no earlier request has left in the prefix cache
    request: float = 0.0  # per request
    verdict: float = 0.0  # per verdict, beyond reading its prompt
    crowding: float = 0.0  # n requests in flight each take 1 + crowding * (n - 1) times as long as one alone


@dataclass(eq=False)
class _Work:
    """A piece of work on a shared machine; `left` in seconds of the machine alone."""

    left: float
    done: asyncio.Future[None]


class Machine:
    """Works on everything at once; the more there is, the slower each piece (processor sharing)."""

    def __init__(self, crowding: float) -> None:
        self._crowding = crowding
        self._work: list[_Work] = []
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def work(self, seconds: float) -> None:
        """Wait until `seconds` of work are done; on cancellation the machine drops what is left."""
        await self.until_done(self.begin(seconds))

    def begin(self, seconds: float) -> _Work:
        piece = _Work(seconds, asyncio.get_running_loop().create_future())
        self._advance()
        self._work.append(piece)
        self._plan()
        return piece

    async def until_done(self, piece: _Work) -> None:
        try:
            await piece.done
        finally:
            self._advance()
            self._work = [other for other in self._work if other is not piece]
            self._plan()

    def _slowness(self) -> float:
        return 1.0 + self._crowding * (len(self._work) - 1)

    def _advance(self) -> None:
        """Book the work done since the last change."""
        now = asyncio.get_running_loop().time()
        if self._work:
            worked = (now - self._since) / self._slowness()
            for piece in self._work:
                piece.left -= worked
        self._since = now

    def _plan(self) -> None:
        """Set the alarm for the piece that is done next."""
        if self._timer:
            self._timer.cancel()
        if self._work:
            wait = max(0.0, min(piece.left for piece in self._work)) * self._slowness()
            self._timer = asyncio.get_running_loop().call_later(wait, self._finish)

    def _finish(self) -> None:
        self._advance()
        for piece in self._work:
            if piece.left <= 1e-9 and not piece.done.done():
                piece.done.set_result(None)
        self._work = [piece for piece in self._work if not piece.done.done()]
        self._plan()


class _PrefixCache:
    """Which prompts a model has read, step by step."""

    def __init__(self) -> None:
        self._known: set[tuple[str, ...]] = set()

    def fresh_tokens(self, prompt: Prompt) -> int:
        """Words of `prompt` that are new; they are known from now on."""
        parts = (prompt.user + "".join(prompt.images), *split(prompt.answer), prompt.request)
        prefixes = [parts[:length] for length in range(1, len(parts) + 1)]
        fresh = [prefix[-1] for prefix in prefixes if prefix not in self._known]
        self._known.update(prefixes)
        return sum(len(part.split()) for part in fresh)


# --- The engine ---


class Model(Protocol):
    """What a simulated model says. Only the prompt decides."""

    def write(self, prompt: Prompt, room: int) -> Generation:
        """The next step, in at most `room` tokens."""
        ...

    def logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        """Log-probability of each keyword as the next token."""
        ...

    def text_logprobs(self, prompt: Prompt, text: str) -> tuple[float, ...]:
        """Log-probability of each token of `text` behind the answer so far."""
        ...


class VirtualEngine:
    """`protocol.Engine` on the virtual clock: requests start at once and share its machine alike."""

    def __init__(self, model: Model, cost: Cost) -> None:
        self._model, self._cost = model, cost
        self._machine = Machine(cost.crowding)
        self._cache = _PrefixCache()

    async def generate(self, prompt: Prompt, *, stop: str, max_tokens: int, meter: Meter) -> Generation:
        assert stop == STEP_BREAK, f"simulated models write steps: stop must be a blank line, not {stop!r}"
        await self._read(prompt)
        step = self._model.write(prompt, max_tokens)
        await self._decode(step, meter)
        return step

    async def stream(
        self, prompt: Prompt, *, stop: str, step_tokens: int, max_tokens: int, stepwise: bool, meter: Meter
    ) -> AsyncGenerator[Generation, None]:
        assert stop == STEP_BREAK, f"simulated models write steps: stop must be a blank line, not {stop!r}"
        await self._read(prompt)
        while max_tokens > 0:
            step = self._model.write(prompt, min(step_tokens, max_tokens))
            await self._decode(step, meter)
            yield step
            if step.finish == "end":
                return
            max_tokens -= step.tokens
            prompt = _behind(prompt, step)

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        await self._read(prompt)
        await self._machine.work(self._cost.verdict)
        return self._model.logprobs(prompt, keywords)

    async def text_logprobs(self, prompt: Prompt, text: str) -> tuple[float, ...]:
        words = len(f"{prompt.user} {prompt.answer} {text}".split())
        await self._machine.work(self._cost.request + self._cost.prefill * words + self._cost.verdict)
        return self._model.text_logprobs(prompt, text)

    tokenizer = "words"

    async def propose(
        self, prompt: Prompt, behind: tuple[int, ...], *, max_tokens: int, meter: Meter
    ) -> tuple[int, ...]:
        told: tuple[int, ...] = ()
        await self._read(_extended(prompt, behind))
        while len(told) < max_tokens and END not in told:
            step = self._model.write(_extended(prompt, behind + told), max_tokens - len(told))
            await self._decode(step, meter)
            told += WORDS.of(step)
        return tuple(token for token in told if token != END)

    async def choices(self, prompt: Prompt, behind: tuple[int, ...], proposed: tuple[int, ...]) -> tuple[Choice, ...]:
        """In the time that one token takes."""
        await self._read(_extended(prompt, behind + proposed))
        await self._machine.work(self._cost.decode)
        places = (_extended(prompt, behind + proposed[:place]) for place in range(len(proposed) + 1))
        own = [WORDS.of(self._model.write(place, 1))[0] for place in places]
        return tuple(Choice(token, token == END) for token in own)

    def steps(
        self, prompt: Prompt, tokens: Source, *, stop: str, step_tokens: int, max_tokens: int
    ) -> AsyncGenerator[Generation, None]:
        return steps_of(WORDS, prompt, tokens, stop=stop, step_tokens=step_tokens, max_tokens=max_tokens)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _read(self, prompt: Prompt) -> None:
        """Spend the time that a request takes before its first token."""
        fresh = self._cache.fresh_tokens(prompt) if self._cost.prefill else 0
        await self._machine.work(self._cost.request + self._cost.prefill * fresh)

    async def _decode(self, step: Generation, meter: Meter) -> None:
        """Spend the time that `step` takes; a cancelled one counts the tokens that it got to."""
        seconds, before = self._cost.decode * step.tokens, meter.tokens
        piece = self._machine.begin(seconds)
        try:
            await self._machine.until_done(piece)
        finally:
            dropped = piece.left / seconds if seconds and piece.done.cancelled() else 0.0
            meter.tokens = before + math.floor(step.tokens * (1 - dropped) + 1e-9)


def _extended(prompt: Prompt, tokens: tuple[int, ...]) -> Prompt:
    return replace(prompt, answer=prompt.answer + WORDS.decode(*tokens))


def _behind(prompt: Prompt, step: Generation) -> Prompt:
    return Prompt(prompt.user, prompt.images, prompt.answer + step.text + STEP_BREAK * (step.finish == "stop"))
