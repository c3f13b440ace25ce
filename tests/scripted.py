"""Engines that follow a script, for tests of what goes on around the models."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

from dreamr.answering import engines
from dreamr.cli.app import run
from dreamr.engines.protocol import Generation, Meter, Refused
from dreamr.engines.vllm.launch import _deaf_to_stops
from dreamr.prompts import Prompt
from dreamr.provenance import spec_digest


class ScriptedEngine:
    """Writes four steps that depend on its name and the question; judges by a digest of the prompt.

    Every request is noted in `log`, as "<name> <kind> <question>". A question with a word of `refused` is too long; one
    that holds "late" is so only behind the first step.
    """

    why = "context_tokens (1024) is full: raise it"

    def __init__(self, name: str, delay: float = 0.0, log: Path | None = None, refused: Sequence[str] = ()) -> None:
        self.name, self.delay, self.log, self.refused = name, delay, log, refused

    async def __aenter__(self) -> "ScriptedEngine":
        self._note("start", "")
        self._load()
        return self

    @staticmethod
    def _load() -> None:
        """Blocks the process for a while, as vLLM does, which looks up every now and then."""
        with _deaf_to_stops():
            for _ in range(int(100 * float(os.environ.get("SCRIPTED_LOADING", "0")))):
                time.sleep(0.01)

    async def __aexit__(self, *error: object) -> None:
        self._note("stop", "")

    async def warm_up(self, prompt: Prompt) -> None:
        self._note("warm_up", prompt.user)
        self._take(prompt)

    async def prompt_tokens(self, prompt: Prompt) -> list[int]:
        return [0] * (2000 if self._holds_refused(prompt) else 100 + len(prompt.user))

    def text_tokens(self, text: str) -> int:
        return len(text.split()) + len(self.name)

    async def reset(self) -> None:
        self._note("reset", "")

    async def generate(self, prompt: Prompt, *, stop: str, max_tokens: int, meter: Meter) -> Generation:
        self._note("generate", prompt.user)
        await asyncio.sleep(self.delay * (1 + int(spec_digest(prompt.user), 16) % 3))
        self._take(prompt)
        meter.tokens += 3
        return self._step(prompt)

    async def stream(
        self, prompt: Prompt, *, stop: str, step_tokens: int, max_tokens: int, stepwise: bool, meter: Meter
    ) -> AsyncGenerator[Generation, None]:
        while True:
            step = await self.generate(prompt, stop=stop, max_tokens=step_tokens, meter=meter)
            yield step
            if step.finish == "end":
                return
            prompt = replace(prompt, answer=prompt.answer + step.text + stop)

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        self._note("verify", prompt.user)
        await asyncio.sleep(self.delay)
        self._take(prompt)
        first = -0.1 if int(spec_digest(prompt.user, prompt.answer), 16) % 3 else -3.0
        return (first, *(-2.0 for _ in keywords[1:]))

    async def text_logprobs(self, prompt: Prompt, text: str) -> tuple[float, ...]:
        self._note("read", prompt.user)
        await asyncio.sleep(self.delay)
        return (-0.2,) * len(text.split())

    def now(self) -> float:
        return time.perf_counter()

    def _take(self, prompt: Prompt) -> None:
        if self._holds_refused(prompt) and ("late" not in prompt.user or prompt.answer):
            raise Refused(self.name, self.why)

    def _holds_refused(self, prompt: Prompt) -> bool:
        return any(word in prompt.user.split() for word in self.refused)

    def _step(self, prompt: Prompt) -> Generation:
        place = prompt.answer.count("\n\n")
        word = spec_digest(self.name, prompt.user, place)[:4]
        if place == 3:
            return Generation(f"Answer: {word}", 3, "end")
        return Generation(f"Step {place} is {word}.", 3, "stop")

    def _note(self, kind: str, user: str) -> None:
        if self.log:
            with self.log.open("a") as out:
                out.write(f"{self.name} {kind} {user.splitlines()[0] if user else ''}\n")


def forked(words: Sequence[str]) -> None:
    """`main` with these words, in a process that is a fork of another one."""
    sys.argv = [__file__, *words]
    main()


def main() -> None:
    """The generate command, on scripted engines; delay, log and what each refuses come from the environment.

    With SCRIPTED_COMMAND=answer it is the one that times nothing.
    """
    log = Path(os.environ["SCRIPTED_LOG"])
    delay = float(os.environ["SCRIPTED_DELAY"])
    refused = json.loads(os.environ.get("SCRIPTED_REFUSED", "{}"))

    def opened(_: object, key: engines.EngineKey, settings: object) -> ScriptedEngine:
        name, extra = key.model.name, "+ngram" * bool(key.ngram) + "+threads" * (key.threads > 1)
        return ScriptedEngine(name + extra, delay, log, refused.get(name, ()))

    engines.open_engine = opened
    run([os.environ.get("SCRIPTED_COMMAND", "generate"), *sys.argv[1:]])


if __name__ == "__main__":
    main()
