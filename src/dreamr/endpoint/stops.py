"""Stop strings of clients, looked for in the text that is committed: models are asked the same as without them."""

from collections.abc import Sequence


class StoppedText:
    """An answer's text as it grows, until the first of some strings, which is no part of it."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self.whole = ""
        self._told = 0  # characters that a client knows
        self.ended = False

    def add(self, text: str) -> str:
        """What a client can be told now: what may be the beginning of a stop string waits for what follows."""
        self.whole += text
        found = [place for stop in self._stops if (place := self.whole.find(stop)) >= 0]
        if found:
            self.whole, self.ended = self.whole[: min(found)], True
        begun, self._told = self._told, len(self.whole) - (0 if self.ended else self._held())
        return self.whole[begun : self._told]

    def rest(self) -> str:
        """What waited, where nothing follows any more."""
        begun, self._told = self._told, len(self.whole)
        return self.whole[begun:]

    def _held(self) -> int:
        """Characters at the end with which a stop string begins."""
        begun = (size for stop in self._stops for size in range(len(stop)) if self.whole.endswith(stop[:size]))
        return max(begun, default=0)
