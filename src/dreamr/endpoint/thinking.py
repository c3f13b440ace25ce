"""Answers of models that think first: reasoning and content apart, in the fields that clients know."""

from dreamr.endpoint.stops import StoppedText
from dreamr.prompts import THINK_CLOSE

END = THINK_CLOSE.strip()


class ToldApart:
    """An answer's text as it grows. `thinking` says that it begins with reasoning; without it all is content."""

    def __init__(self, thinking: bool) -> None:
        self._thinking = thinking
        self._reasoning = StoppedText((END,))
        self._text = ""
        self._content = ""

    def add(self, text: str) -> dict[str, str]:
        """The fields that `text` adds to: "content", or "reasoning_content" and "reasoning", its older name."""
        if not self._thinking:
            return self._more_content(text)
        self._text += text
        found = _reasoning(self._reasoning.add(text))
        if not self._reasoning.ended:
            return found
        self._thinking = False
        return found | self._more_content(self._text[len(self._reasoning.whole) + len(END) :])

    def rest(self) -> dict[str, str]:
        """What waited for the end of the reasoning, which never came."""
        return _reasoning(self._reasoning.rest()) if self._thinking else {}

    def _more_content(self, text: str) -> dict[str, str]:
        """Content, without the blank lines between it and the reasoning."""
        text = text if self._content or not self._text else text.lstrip("\n")
        self._content += text
        return {"content": text} if text else {}


def _reasoning(text: str) -> dict[str, str]:
    return {"reasoning_content": text, "reasoning": text} if text else {}
