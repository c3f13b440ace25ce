"""From a `Prompt` to the text that a model family reads, by the family's own chat template."""

import re
from collections.abc import Sequence
from typing import Any

from dreamr.errors import UserError
from dreamr.prompts import THINK_CLOSE, Conversation, Prompt, Turn
from dreamr.records import IMAGE_MARK

_FILLER = "dreamr-filler"


def user_parts(user: str) -> list[dict[str, str]]:
    """A turn, mostly a user's, as chat-template parts, images and text in their order."""
    texts = (part.strip() for part in re.split(f"({re.escape(IMAGE_MARK)})", user))
    return [{"type": "image"} if text == IMAGE_MARK else {"type": "text", "text": text} for text in texts if text]


class Chat:
    """The chat template of one model.

    `template` is anything with transformers' `apply_chat_template` (a processor or a tokenizer). `thinking` says that
    the generation prompt opens a thinking block; a verdict is asked for behind a closed one. `told` is what the
    template is told beside the turns, by the names that it reads: one that it does not read is a UserError.
    """

    def __init__(self, template: Any, thinking: bool = False, told: Sequence[tuple[str, Any]] = ()) -> None:
        self._template, self._told = template, dict(told)
        for name in self._told:
            if not re.search(rf"\b{re.escape(name)}\b", str(template.chat_template)):
                raise UserError(f"chat_template_kwargs: {name} is not in the chat template, which would not read it")
        self._close = THINK_CLOSE if thinking else ""
        self._requests: dict[str, str] = {}

    def text(self, prompt: Prompt) -> str:
        """The whole prompt as one string; image placeholders stand once per image."""
        return self.opening(prompt) + self.rest(prompt)

    def opening(self, prompt: Prompt) -> str:
        """All turns up to the question's, and what opens the answer. Whoever needs it often keeps it."""
        before = prompt.before if isinstance(prompt, Conversation) else ()
        turns = [*before, Turn("user", prompt.user)]
        return self._render([{"role": turn.role, "content": user_parts(turn.text)} for turn in turns])

    def rest(self, prompt: Prompt) -> str:
        """What stands behind the opening: the answer so far and, for a verdict, what is asked about it.

        An answer whose thinking is over, as a thinking model's own steps may end it, is not closed once more.
        """
        if not prompt.request:
            return prompt.answer
        over = THINK_CLOSE.strip() in prompt.answer
        return prompt.answer + ("" if over else self._close) + self._request(prompt.request)

    def _request(self, request: str) -> str:
        """What follows the closed answer so far when `request` is asked in a new user turn."""
        if request not in self._requests:
            filler = {"role": "assistant", "content": [{"type": "text", "text": _FILLER}]}
            turns = [{"role": "user", "content": user_parts("x")}, filler]
            turns.append({"role": "user", "content": user_parts(request)})
            tail = self._render(turns).rpartition(_FILLER)[2]
            self._requests[request] = tail + self._close
        return self._requests[request]

    def _render(self, turns: list[dict[str, Any]]) -> str:
        return str(self._template.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, **self._told))
