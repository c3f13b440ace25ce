"""One subject of the check: what was found, what is needed, and what to do where they differ."""

from dataclasses import dataclass, replace
from typing import Literal, Self

Verdict = Literal["ok", "doubt", "stop"]


@dataclass(frozen=True)
class Line:
    """One subject. `stop`: a job would fail for certain; `doubt`: it may, or what comes out is less sure."""

    subject: str
    found: str
    needed: str
    verdict: Verdict = "ok"
    do: str = ""

    def unless(self, fine: bool, verdict: Verdict, do: str) -> Self:
        """The same where it is fine, else with this verdict and remedy."""
        return self if fine else replace(self, verdict=verdict, do=do)

    def __str__(self) -> str:
        return f"{self.subject}: found {self.found}, needed {self.needed}" + (f". {self.do}" if self.do else "")
