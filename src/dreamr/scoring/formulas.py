"""Formulas as math-verify reads them, within bounds on their size that keep its parser fast."""

import logging
import re
from functools import lru_cache
from typing import Any

FORMULA_CHARACTERS = 50

_BARE_ROOT = re.compile(r"\\?sqrt\s*(?:\(([^()]*)\)|(\d+))")
_FORMULA = re.compile(
    r"(?:\\(?:frac|sqrt|pi|times|cdot|div|infty|le|leq|ge|geq|lt|gt|neq|sin|cos|tan|cot|sec|csc|log|ln|alpha|beta|"
    r"gamma|theta|phi|lambda|mu|omega|cup|cap|in|mathbb)(?![a-zA-Z])|[a-zA-Z](?![a-zA-Z]{2})|"
    r"[\d+*/^_=<>(){}\[\],.! -])+"
)
_FUNCTION = r"\\(?:sin|cos|tan|cot|sec|csc|log|ln|infty)"
_HUGE = re.compile(
    r"\d{16}|\d{4,}\s*\^|(?<!10)(?<![a-z])\^\s*\{?\s*-?\d\d|\^\s*\{?\s*-?\d{3}|\^[^^]{0,6}\^|\d{3}!|[^\d]!|"
    rf"{_FUNCTION}.*(?:\^\s*\{{?-?\d\d|!)|(?:\^\s*\{{?-?\d\d|!).*{_FUNCTION}"
)
_AT_MOST = {
    r"[(\[]|(?<![\w}\]^_])\{": 2,  # brackets
    r"[=<>]|\\(?:le|ge|lt|gt|ne|in\b)": 1,
    r"\|": 2,
    "!": 1,
    _FUNCTION: 1,
    r"\\sqrt": 2,
    r"\\frac": 2,
    r"\d+|[a-zA-Z]+": 10,  # numbers, letters, commands
}


@lru_cache(maxsize=4096)
def formula(text: str) -> Any:
    """`text` as math-verify parses it (list of sympy objects), or None where it is no formula of bounded size."""
    text = _BARE_ROOT.sub(lambda match: rf"\sqrt{{{match[1] or match[2]}}}", text)
    text = re.sub(r"([\^_])\{(\w)\}", r"\1\2", text)  # a bracket less for the parser
    text = re.sub(r"(?<![\\a-zA-Z])(pi|sin|cos|tan|log|ln)(?![a-zA-Z])", r"\\\1", text)
    if not _bounded(text):
        return None
    from math_verify import parse
    from math_verify.parser import LatexExtractionConfig

    quiet_math_verify()
    return parse(f"${text}$", (LatexExtractionConfig(),), "no_fallback", "first_match", parsing_timeout=None) or None


def _bounded(text: str) -> bool:
    """Whether math-verify takes milliseconds: its time grows with brackets, huge powers and functions of them."""
    if not text or len(text) > FORMULA_CHARACTERS or not _FORMULA.fullmatch(text) or _HUGE.search(text):
        return False
    counts = {pattern: len(re.findall(pattern, text)) for pattern in _AT_MOST}
    return all(counts[pattern] <= most for pattern, most in _AT_MOST.items()) and bool(re.search(r"[\da-zA-Z]", text))


def bounded_text(text: str) -> bool:
    """As `_bounded`, for a text that may hold words and dollars around a formula."""
    text = text.replace("$", " ")
    return len(text) <= 2 * FORMULA_CHARACTERS and len(re.findall(r"[(\[]", text)) <= 2 and not _HUGE.search(text)


def quiet_math_verify() -> None:
    """Silence math-verify's warning that its time-outs, which only work in a main thread, are off."""
    logging.getLogger("math_verify").setLevel(logging.ERROR)
