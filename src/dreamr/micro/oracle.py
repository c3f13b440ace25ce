"""Is a reasoning step right? The micro world knows.

A step is right if it makes a claim, in any of the world's phrases, that is true of the image and belongs to the
question. Fillers are right; what cannot be read is wrong.
"""

import re
from collections.abc import Sequence
from typing import Any

from dreamr.micro.steps import PHRASES, Claim, claim, ending, readings, restate, results, total
from dreamr.micro.world import Truth

_FIELDS = {
    "reduction": "sum|largest",
    "selection": r"[a-z]+(?: \d+)?(?: of picture \d+)?",
    "what": r"\d",
    "word": "yes|no",
    "walk": r"[A-D] \d+ (?:yes|no)(?:, [A-D] \d+ (?:yes|no))*",
    "text": r"[A-D]|Yes|No|\d+",
}


def _pattern(phrase: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", phrase)
    groups = [f"(?P<{name}>{_FIELDS.get(name, chr(92) + 'd+')})" for name in parts[1::2]]
    texts = [re.escape(text) for text in parts[::2]]
    return re.compile("".join(text + group for text, group in zip(texts, [*groups, ""], strict=True)))


_PATTERNS = [(kind, _pattern(phrase)) for kind, phrases in PHRASES.items() for phrase in phrases]


def parse(step: str) -> Claim | None:
    """The claim that `step` makes, or None if it makes none that is known."""
    for kind, pattern in _PATTERNS:
        if match := pattern.fullmatch(step.strip()):
            return claim(kind, **match.groupdict())
    return None


def true_claims(truth: Truth) -> set[Claim]:
    """All claims that are right for this question."""
    single = [total(truth, truth.total)]
    return {restate(truth), *readings(truth), *results(truth), *single, *ending(truth, truth.total), claim("filler")}


def is_right(truth: Truth, step: str, before: Sequence[str] | None = None) -> bool:
    """Whether `step` is right; with the steps `before` it, also whether "no more" is said only when all are read."""
    said = parse(step)
    if said is None or said not in true_claims(truth):
        return False
    if said.kind == "done" and before is not None:
        return {each for each in readings(truth) if each.kind == "read"} <= {parse(other) for other in before}
    return True


def kind(step: str, before: Sequence[str]) -> str:
    """What a step claims: the kind of its claim, "repeat" where a step before has said the same, or "unreadable"."""
    said = parse(step)
    if said is None:
        return "unreadable"
    return "repeat" if said.kind != "filler" and said in map(parse, before) else said.kind


def same(first: str, second: str) -> bool:
    """Whether two steps make the same claim; a running result and a total are the same if their results are."""
    one, other = parse(first), parse(second)
    return one is not None and other is not None and _key(one) == _key(other)


def _key(said: Claim) -> tuple[str, Any] | Claim:
    if said.kind in ("sum", "largest"):
        return ("result", said["c"])
    return ("result", said["value"]) if said.kind == "total" else said
