"""Steps in a stream of tokens, whoever writes them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from dreamr.engines.protocol import Generation, Last, Source
from dreamr.prompts import Prompt


class Words(Protocol):
    """A tokenizer."""

    def encode(self, text: str) -> tuple[int, ...]:
        """The tokens of a text."""
        ...

    def detokenizer(self) -> Callable[[int], str]:
        """A function from the tokens of a text, one after the other, to its parts."""
        ...


async def steps_of(
    words: Words, prompt: Prompt, tokens: Source, *, stop: str, step_tokens: int, max_tokens: int, anew: bool = False
) -> AsyncGenerator[Generation, None]:
    """The steps that tokens behind `prompt` make, as `Engine.stream` yields them.

    A source goes on past a step only where a new one would read the very tokens that were written, and unless each
    step is to be begun `anew`; otherwise a new one takes its place.
    """
    left = max_tokens
    while left > 0:
        begun = prompt.answer.rpartition(stop)[2]
        written = Written(words.detokenizer(), stop, begun, words.encode(begun), min(step_tokens, left))
        async with aclosing(tokens(prompt, left)) as source:
            async for token, last in source:
                left -= 1
                step = written.add(token, last)
                if step is None:
                    continue
                yield step
                if last:
                    return
                if anew or words.encode(written.piece) != tuple(written.piece_ids):
                    break
                written.next_step(min(step_tokens, left))
        prompt = replace(prompt, answer=prompt.answer + written.text)


class Written:
    """Steps in a stream of tokens. A piece is what stands behind the last stop string: what is tokenized as one."""

    def __init__(
        self, decode: Callable[[int], str], stop: str, piece: str, piece_ids: tuple[int, ...], cap: int
    ) -> None:
        self._decode, self._stop = decode, stop
        self.text = ""  # of all steps so far, with their stop strings
        self.piece, self.piece_ids = piece, list(piece_ids)
        self.next_step(cap)

    def next_step(self, cap: int) -> None:
        self._step, self._tokens, self._cap = "", 0, cap

    def add(self, token: int, last: Last | None) -> Generation | None:
        """The step that ends with this token, if one does."""
        if self.piece.endswith(self._stop):
            self.piece, self.piece_ids = "", []
        self.piece_ids.append(token)
        self._step += self._decode(token)
        self._tokens += 1
        text, stop, _ = self._step.partition(self._stop)
        if not (stop or last or self._tokens == self._cap):
            return None
        self.text += text + stop
        self.piece += text + stop
        return Generation(text, self._tokens, "stop" if stop else last or "length")
