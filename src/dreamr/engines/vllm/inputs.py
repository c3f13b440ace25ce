"""From text to tokens and back, done once for what many requests share.

What a request costs beyond the model's own work decides whether speculation by the step pays off. So a question's turn
is tokenized and its images are processed once, answers are tokenized step by step, and vLLM gets ready-made inputs.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cache, cached_property, lru_cache
from typing import Any, Literal, Protocol

from dreamr.config import ImageSize, Sampling
from dreamr.engines.chat import Chat
from dreamr.engines.images import load_image
from dreamr.engines.protocol import FULL, Refused
from dreamr.engines.vllm import internals
from dreamr.prompts import STEP_BREAK, Conversation, Prompt

MOST_IMAGES = 8  # per prompt; MMMU has up to seven
OPENINGS = 256  # questions that are kept in memory with their prepared images,
KEPT_BYTES = 2 << 30  # while all of them together are no larger
PIECES = 1 << 16  # pieces of text whose tokens are kept in memory


class Settings(Protocol):
    """What all engines of a job share; job specs and the configuration have it."""

    @property
    def generation(self) -> Sampling: ...
    @property
    def images(self) -> ImageSize: ...
    @property
    def context_tokens(self) -> int: ...
    @property
    def device(self) -> Literal["cpu", "cuda"]: ...


class Vocabulary:
    """A model's tokenizer, asked the same things again and again."""

    def __init__(self, tokenizer: Any, model: str) -> None:
        self._tokenizer, self.model = tokenizer, model
        self.encode = lru_cache(PIECES)(self.encode_once)
        self.tokens_with = cache(self._tokens_with)
        self.variants = cache(self._variants)

    def encode_once(self, text: str) -> tuple[int, ...]:
        """Tokens of `text`, not remembered."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    @cached_property
    def longest(self) -> int:
        """Bytes of text that one token stands for at most."""
        return max(len(token.encode()) for token in self._tokenizer.get_vocab())

    @cached_property
    def _texts(self) -> dict[int, str]:
        """The text of each token by itself."""
        ids = sorted(self._tokenizer.get_vocab().values())
        return dict(zip(ids, self._tokenizer.batch_decode([[token] for token in ids]), strict=True))

    def _tokens_with(self, stop: str) -> list[int]:
        """All tokens whose text holds `stop`."""
        return [token for token, text in self._texts.items() if stop in text]

    def _variants(self, keywords: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
        """Per keyword the tokens that say it: whole, or where no single token does, the ones that it begins with.

        Keywords that share such a token cannot be told apart by the next token: ValueError.
        """
        found = []
        for keyword in keywords:
            cases = {keyword, keyword.lower(), keyword.capitalize(), keyword.upper()}
            forms = cases | {f" {case}" for case in cases}
            whole = [token for token, text in self._texts.items() if text in forms]
            first = {self.encode_once(form)[0] for form in forms}
            found.append(tuple(whole or sorted(token for token in first if self._texts[token].strip())))
        every = [token for tokens in found for token in tokens]
        if len(set(every)) < len(every):
            raise ValueError(f"{self.model}: the keywords {', '.join(keywords)} begin with the same token")
        return tuple(found)

    def detokenizer(self) -> Callable[[int], str]:
        """A function from the tokens of a text, one after the other, to its parts."""
        from tokenizers.decoders import DecodeStream

        stream = DecodeStream(skip_special_tokens=True)
        return lambda token: stream.step(self._tokenizer.backend_tokenizer, token) or ""


class Inputs:
    """Prompts as a running engine takes them. A user turn that is asked for twice at once is prepared once."""

    def __init__(self, vllm: internals.Vllm, chat: Chat, vocabulary: Vocabulary, settings: Settings) -> None:
        self._vllm, self._chat, self._vocabulary, self._settings = vllm, chat, vocabulary, settings
        self._openings: dict[Prompt, asyncio.Task[internals.Rendered]] = {}  # by prompts without an answer
        self._sizes: dict[Prompt, int] = {}  # bytes of those that are rendered

    async def request(self, prompt: Prompt, behind: tuple[int, ...] = ()) -> Any:
        """What the engine's request takes; to be sent without another await in between. One too long is Refused."""
        opening = await self._opening(prompt)
        ids = [*self._tokens(prompt, opening), *behind]
        if len(ids) >= self._settings.context_tokens:
            raise await self.full(prompt)
        return self._vllm.inputs(ids, opening)

    async def full(self, prompt: Prompt) -> Refused:
        """The context has no room left; the words are the same wherever in the answer that shows."""
        return self._full(str(len((await self._opening(prompt)).ids)))

    def _full(self, tokens: str) -> Refused:
        return self._refused(
            f"{FULL} ({self._settings.context_tokens}) is full, of which the question alone takes {tokens}: "
            "raise it, or lower images.max_pixels or generation.answer_tokens"
        )

    def _refused(self, why: str) -> Refused:
        return Refused(self._vocabulary.model, why)

    async def tokens(self, prompt: Prompt) -> list[int]:
        """The tokens that the model reads, image places included."""
        return self._tokens(prompt, await self._opening(prompt))

    def forget(self) -> None:
        """Drop all prepared user turns."""
        self._openings.clear()
        self._sizes.clear()

    def _tokens(self, prompt: Prompt, opening: internals.Rendered) -> list[int]:
        rest = pieces(self._chat.rest(prompt))
        return [*opening.ids, *(token for piece in rest for token in self._vocabulary.encode(piece))]

    async def _opening(self, prompt: Prompt) -> internals.Rendered:
        """The turns up to the answer, rendered. Those that were asked for last are dropped last."""
        key = replace(prompt, answer="", request="")
        if key in self._openings:
            self._openings[key] = self._openings.pop(key)
        else:
            self._openings[key] = asyncio.create_task(self._kept(key))
        return await asyncio.shield(self._openings[key])

    async def _kept(self, key: Prompt) -> internals.Rendered:
        """The turns, rendered, in whose place older ones are dropped; what is refused is not kept at all."""
        try:
            opening = await self._open(key)
        except Refused:
            self._openings.pop(key, None)
            raise
        if key in self._openings:  # it may have been dropped meanwhile
            self._sizes[key] = _text_bytes(key) + opening.size
        for oldest in [*self._openings][:-1]:
            if len(self._openings) <= OPENINGS and sum(self._sizes.values()) <= KEPT_BYTES:
                break
            del self._openings[oldest]
            self._sizes.pop(oldest, None)
        return opening

    async def _open(self, prompt: Prompt) -> internals.Rendered:
        least = _text_bytes(prompt) // self._vocabulary.longest
        if least >= self._settings.context_tokens:
            raise self._full(f"at least {least}")
        if len(prompt.images) > MOST_IMAGES:
            raise self._refused(f"a question of {len(prompt.images)} images: an engine is started for {MOST_IMAGES}")
        ids, images = await asyncio.to_thread(self._read, prompt)
        if not images:
            return internals.Rendered(ids)
        try:
            return await self._vllm.rendered(ids, images)
        except ValueError as error:
            if not isinstance(error.__cause__, ValueError):
                raise
            # The processor's own word, such as Qwen's on an image 200 times as wide as it is high.
            raise self._refused(f"its processor does not take the images ({error.__cause__})") from error

    def _read(self, prompt: Prompt) -> tuple[list[int], list[Any]]:
        """Tokens and images of all turns: what may take seconds, and so runs in a thread."""
        from jinja2 import TemplateError

        try:
            text = self._chat.opening(prompt)
        except TemplateError as error:
            raise self._refused(f"its chat template does not take the turns ({error})") from error
        ids = list(self._vocabulary.encode_once(text))
        return ids, [load_image(path, self._settings.images) for path in prompt.images]


def _text_bytes(prompt: Prompt) -> int:
    """Bytes of what the turns up to the answer say."""
    before = prompt.before if isinstance(prompt, Conversation) else ()
    return len(prompt.user.encode()) + sum(len(turn.text.encode()) for turn in before)


def pieces(text: str) -> list[str]:
    """`text` cut behind each blank line: an answer that grows by a step is tokenized only there."""
    parts = text.split(STEP_BREAK)
    return [part + STEP_BREAK for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
