"""What a client may ask: of OpenAI's chat completions what makes a question to a method, and nothing beside.

A field that would change the answer and cannot is refused, never dropped: tools, several choices, log-probabilities,
audio. Values that change nothing, which clients send by themselves, are taken. Sampling belongs to the
engines; a request may only repeat what is configured. What changes nothing where nothing is drawn is told as ignored.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    PositiveInt,
)

from dreamr.config import Sampling
from dreamr.endpoint.failures import Failure
from dreamr.methods.protocol import Limits
from dreamr.prompts import REASON, Conversation, Prompt, Turn
from dreamr.records import IMAGE_MARK

MOST = 256  # messages of a chat, parts of a message, characters of a stop string (our decision)

MOST_STOPS = 16  # stop strings (our decision)
DRAWING = ("top_p", "top_k", "seed")  # how tokens are drawn, which nobody does at temperature 0
IGNORED = ("reasoning_effort", "verbosity", "store", "metadata", "service_tier")


class Part(BaseModel):
    """An object of a request. In lists of them validation stops at the first error: there could be a flood."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(Part):
    type: Literal["text"]
    text: str


class ImageUrl(Part):
    url: str
    detail: Literal["auto", "low", "high"] | None = None  # the engines' own caps on pixels hold


class ImagePart(Part):
    type: Literal["image_url"]
    image_url: ImageUrl


Zero = Annotated[float, Field(ge=0, le=0)]
Nothing = Annotated[list[Any], Field(max_length=0)]


def _as_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


Parts = Annotated[
    list[Annotated[TextPart | ImagePart, Field(discriminator="type")]], Field(min_length=1, max_length=MOST), FailFast()
]


Texts = Annotated[list[TextPart], Field(min_length=1, max_length=MOST), FailFast()]


class SystemMessage(Part):
    role: Literal["system", "developer"]
    name: str | None = None  # the speaker's, which no template has a place for
    content: Annotated[Texts, BeforeValidator(_as_parts)]


class UserMessage(Part):
    role: Literal["user"]
    name: str | None = None
    content: Annotated[Parts, BeforeValidator(_as_parts)]


class AssistantMessage(Part):
    """An answer as it came from here, or from elsewhere: clients send back all of its fields."""

    role: Literal["assistant"]
    name: str | None = None
    content: Annotated[Texts, BeforeValidator(_as_parts)]
    refusal: None = None
    audio: None = None
    function_call: None = None
    tool_calls: Nothing | None = None
    annotations: Nothing | None = None
    reasoning: str | None = None  # templates leave earlier reasoning out
    reasoning_content: str | None = None


Message = Annotated[SystemMessage | UserMessage | AssistantMessage, Field(discriminator="role")]


class StreamOptions(Part):
    include_usage: bool = False
    include_obfuscation: bool = False  # padding against eavesdroppers, of which there is none


class TextFormat(Part):
    type: Literal["text"]


def _as_strings(stop: Any) -> Any:
    return (stop,) if isinstance(stop, str) else () if stop is None else stop


Stops = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=MOST)], ...],
    Field(max_length=MOST_STOPS),
    FailFast(),
    BeforeValidator(_as_strings),
]


class Chat(Part):
    """The body of a request to /v1/chat/completions."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST), FailFast()]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: PositiveInt | None = None
    max_completion_tokens: PositiveInt | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: Stops = ()
    response_format: TextFormat | None = None

    # values that change nothing
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Zero | None = None
    frequency_penalty: Zero | None = None
    presence_penalty: Zero | None = None
    repetition_penalty: Annotated[float, Field(ge=1, le=1)] | None = None
    min_p: Zero | None = None
    logit_bias: Annotated[dict[str, Any], Field(max_length=0)] | None = None
    tools: Nothing | None = None
    tool_choice: Literal["none", "auto"] | None = None
    functions: Nothing | None = None
    function_call: Literal["none", "auto"] | None = None
    modalities: tuple[Literal["text"]] | None = None
    audio: None = None
    prediction: None = None
    web_search_options: None = None

    # what a client says for its own sake, or to a service that keeps answers and thinks more or less
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    parallel_tool_calls: bool | None = None
    store: bool | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None

    def check_sampling(self, settings: Sampling) -> None:
        """Failure where other sampling is asked for than is in force."""
        for name in ("temperature", *(() if settings.temperature == 0 else DRAWING)):
            asked, held = getattr(self, name), getattr(settings, name)
            if asked is not None and asked != held:
                raise Failure(400, f"{name}: {held} is in force for all requests, {asked} was asked for", name)

    def check_images(self, most: int) -> None:
        """Failure where there are more images than an engine takes."""
        if len(self.urls) > most:
            raise Failure(400, f"messages: {len(self.urls)} images; at most {most} are taken", "messages")

    def limits(self, limits: Limits) -> Limits:
        """The configured limits, or lower ones."""
        asked = (self.max_tokens, self.max_completion_tokens, limits.answer_tokens)
        return Limits(limits.step_tokens, min(bound for bound in asked if bound is not None))

    def ignored(self, settings: Sampling) -> list[str]:
        """Fields that are set and have no say here: where nothing is drawn, also those of how to draw."""
        silent = IGNORED + (DRAWING if settings.temperature == 0 else ())
        return [name for name in silent if getattr(self, name) is not None]

    @property
    def urls(self) -> list[str]:
        """The images' URLs, in the order of their marks in `words`."""
        return [part.image_url.url for part in self._parts() if isinstance(part, ImagePart)]

    def turns(self) -> tuple[Turn, ...]:
        """What was said, with a mark where an image stands; Failure where the last word is not the user's.

        What one side said in several messages is one turn, as some templates want sides that take turns. Steps are what
        is verified, so a chat that does not ask for them by our own sentence is asked for them.
        """
        said = groupby(self.messages, _side)
        turns = [Turn(role, "\n".join(map(_in_words, messages))) for role, messages in said]
        *before, last = turns
        if last.role != "user":
            raise Failure(400, f"messages: the last one has to be the user's, not the {last.role}'s", "messages")
        if not any(REASON in turn.text for turn in turns if turn.role == "system" or turn is last):
            last = Turn("user", f"{last.text}\n{REASON}")
        return (*before, last)

    def _parts(self) -> Iterator[TextPart | ImagePart]:
        for message in self.messages:
            yield from message.content


def question(turns: Sequence[Turn], images: tuple[str, ...]) -> Prompt:
    """The prompt of some turns, the last of which asks; `images` belong to the marks of all."""
    *before, last = turns
    return Conversation(last.text, images, before=tuple(before)) if before else Prompt(last.text, images)


def _side(message: Message) -> Literal["system", "user", "assistant"]:
    return "system" if message.role == "developer" else message.role


def _in_words(message: Message) -> str:
    if any(isinstance(part, TextPart) and IMAGE_MARK in part.text for part in message.content):
        raise Failure(400, f"messages: {IMAGE_MARK} marks the place of an image here and cannot be part of a text")
    return "".join(part.text if isinstance(part, TextPart) else IMAGE_MARK for part in message.content)
