"""Every sentence that a model is sent, in one place.

The wording is our decision: neither DREAM-R's prompts nor its verification request was at hand. What they must do:
ask for steps that end at a blank line (SpecReason and Lookahead Reasoning split there), for one answer line that the
scorer can read, and for each verdict as a single word.
"""

from dataclasses import dataclass, replace
from typing import Literal

from dreamr.records import IMAGE_MARK, Question

STEP_BREAK = "\n\n"
ANSWER_MARK = "Answer:"

REASON = "Reason in short steps with a blank line after each."
END_LETTER = f"End with {ANSWER_MARK} and the option letter."
END_VALUE = f"End with {ANSWER_MARK} and the value."

VERIFY = "Is the last step right? Reply positive or negative."
SCORE = "Rate the last step from 0 to 9."
STEP = "the last step"  # what both ask about; in its place:
PART = "the last part"  # where several steps are judged as one
WHOLE = "the answer"  # where all of it is
ALIGN = "Do the last two steps mean the same? Reply aligned or unaligned."

THINK_CLOSE = "\n</think>\n\n"  # ends an open thinking block (Qwen3-VL-Thinking opens it in the generation prompt)


@dataclass(frozen=True)
class Prompt:
    """What a model reads: a user turn, its own answer so far and, for a verdict, a second user turn.

    `user` holds one IMAGE_MARK per entry of `images`. `answer` is put back verbatim behind the generation prompt, so a
    prompt with a longer `answer` shares its prefix, and the engine's prefix cache, with a shorter one.
    """

    user: str
    images: tuple[str, ...]  # absolute paths
    answer: str = ""
    request: str = ""  # "" while generating


@dataclass(frozen=True)
class Turn:
    """What one side of a conversation has said; a user's text holds an IMAGE_MARK where an image stands."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class Conversation(Prompt):
    """A prompt with turns before its own; `images` are those of all turns, in their order.

    It is a class of its own so that a single question stays what it is, seed included: that is drawn from its fields.
    """

    before: tuple[Turn, ...] = ()


def question_prompt(question: Question, folder: str) -> Prompt:
    """The prompt that asks `question`; its images lie under `folder`."""
    assert question.prompt.count(IMAGE_MARK) == len(question.images), question.id
    end = END_LETTER if question.options else END_VALUE
    user = f"{question.prompt}\n{REASON} {end}"
    return Prompt(user, tuple(f"{folder}/{name}" for name in question.images))


def continued(prompt: Prompt, steps: tuple[str, ...]) -> Prompt:
    """`prompt` with `steps` behind its answer so far, each ended by a blank line."""
    return replace(prompt, answer=prompt.answer + "".join(step + STEP_BREAK for step in steps))


def verdict_prompt(prompt: Prompt, steps: tuple[str, ...], request: str) -> Prompt:
    """Ask `request` (VERIFY, SCORE) about the last of `steps`, or ALIGN about the last two.

    `steps` follow `prompt.answer`; all of them count, not only the asked ones.
    """
    return replace(continued(prompt, steps), request=request)
