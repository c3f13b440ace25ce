r"""Our scorer: from a response to a verdict. Offline, deterministic, without random draws.

The thinking block is removed; one that never closes is no answer. The answer is what the response marks as its answer:
the last answer tag, `\boxed{...}` or answer line, else the last phrase like "the answer is B", else what its last
paragraph concludes. A response that marks nothing readable is unresolved, which counts as wrong. Letters are compared
by equality, free answers by `values.same_answer`. The reward of SAPO is this verdict.
"""

import re
import string
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dreamr.records import Question
from dreamr.values import canonical, quantity, same_answer, same_value

LETTERS = string.ascii_uppercase
THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
MARKS = 8  # how many marked answers are looked at, from the last back
LENGTH = 300  # characters of one marked answer

_TAG = re.compile(r"<answer>", re.I)
_BOXED = re.compile(r"\\f?boxed\s*\{")
_LINE = re.compile(
    r"\b(?:answer|ans)\b(?:\s+is)?[*_\s]{0,6}(?:[:：]|\n)[*_\s]*|\b(?:option|choice)\s*:\s*|(?:答案|故选)[是为：:\s]*",
    re.I,
)
_PHRASE = re.compile(
    r"\b(?:answer|result|conclusion|(?:correct|right|best|final) (?:option|choice|value|statement|one|letter))\b"
    r"[^.\n:=]{0,50}?(?:\b(?:is|are|be|becomes|equals)\b|'s|=|:)(?!\s*(?:not|neither)\b)[\s:*_]*",
    re.I,
)
_LABEL = re.compile(
    r"^(?:the\s+)?(?:(?:correct|right|final|best)\s+)?(?:option|choice|letter|answer)\b(?:\s+is)?[\s:]*", re.I
)
_REFUSAL = re.compile(
    r"\b(?:cannot|can't|can not|could not|unable|not enough|insufficient|impossible|unclear|neither|no option|not sure|"
    r"unsure|don't know)\b",
    re.I,
)
_ALTERNATIVE = re.compile(r"\s*,?\s*(?:or|nor|and)\s+(?:an?\s+|the\s+)?", re.I)
_NOT = re.compile(r"(?:\bnot|\bno|\bnor|\bneither|n't|\brather than|\binstead of|\bunlike|\bover|\bexcludes?|\bthan)\W+"
                  r"(?:(?:be|a|an|the|option|choice|by)\W+){0,3}$", re.I)  # fmt: skip


class Verdict(NamedTuple):
    parsed: str | None  # the letter or text that was read
    correct: bool
    unresolved: bool  # nothing could be read


def grade(question: Question, text: str, complete: bool = True, thinking: bool = False) -> Verdict:
    """Whether `text` answers `question`. Never raises; takes <= 1 ms where the answer is a letter or a number.

    Where the token budget cut the text (`complete` false) only a marked answer counts: the last words of a reasoning
    that was cut conclude nothing. Nothing at all counts where it was cut within a block that the chat template opened
    (`thinking`); a run that ended by itself ended at its answer, wherever that stood.
    """
    opened = THINK_OPEN if thinking and not complete else ""
    return verdict(opened + text, question.options, question.gold, complete)


def verdict(text: str, options: tuple[str, ...], gold: tuple[str, ...], complete: bool = True) -> Verdict:
    """As `grade`: `gold` are accepted answers, letters where there are `options`."""
    answer = without_thinking(text)
    if answer is None or not (complete or marked_answers(answer)):
        return Verdict(None, False, True)
    if not options:
        return _free_verdict(answer, gold)
    letters = {letter for text in gold if (letter := gold_letter(text, options))}
    parsed = read_choice(answer, options, several=len(letters) > 1)
    correct = parsed is not None and set(parsed.split(", ")) <= letters
    return Verdict(parsed, correct, parsed is None)


def circular_correct(verdicts: Iterable[bool]) -> bool:
    """MMBench's circular rule: a question is right if it is right in every rotation of its options."""
    return all(verdicts)


def without_thinking(text: str) -> str | None:
    """What follows or surrounds closed thinking blocks; None where one never closes.

    A closing tag alone belongs to a block that the chat template opened.
    """
    kept, rest = "", text
    while THINK_OPEN in rest:
        before, _, inside = rest.partition(THINK_OPEN)
        _, close, rest = inside.partition(THINK_CLOSE)
        if not close:
            return None
        kept += before
    return (kept + rest).rpartition(THINK_CLOSE)[2].strip()


# -- where an answer is marked ---------------------------------------------------------------------


def marked_answers(text: str) -> list[str]:
    """Contents of answer tags, boxes and answer lines, the last one first."""
    found = [(match.start(), _tag_content(text, match.end())) for match in _TAG.finditer(text)]
    found += [(match.start(), box) for match in _BOXED.finditer(text) if (box := boxed(text, match.end())) is not None]
    found += [(match.start(), _rest_of_line(text, match.end())) for match in _LINE.finditer(text)]
    return [content for _, content in sorted(found, reverse=True)[:MARKS] if content.strip(" *_$.")]


def phrased_answers(text: str) -> list[str]:
    """What follows phrases like "the answer is", the last one first."""
    ends = [match.end() for match in _PHRASE.finditer(text)]
    return [content for end in reversed(ends[-MARKS:]) if (content := _rest_of_line(text, end))]


def boxed(text: str, start: int) -> str | None:
    """The text from `start` to the brace that closes it; None where none does within LENGTH characters."""
    depth = 1
    for place in range(start, min(len(text), start + LENGTH)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[start:place]
    return None


def _tag_content(text: str, start: int) -> str:
    return re.split(r"</?answer>", text[start : start + LENGTH], maxsplit=1, flags=re.I)[0].strip()


def _rest_of_line(text: str, start: int) -> str:
    return text[start : start + LENGTH].partition("\n")[0].strip()


# -- choices ---------------------------------------------------------------------------------------


def gold_letter(gold: str, options: tuple[str, ...]) -> str | None:
    """The letter that a gold names: itself, or that of the option with its text."""
    letter = canonical(gold).strip("().")
    return letter if letter in tuple(LETTERS[: len(options)]) else _option_named(gold, options)


def read_choice(text: str, options: tuple[str, ...], several: bool = False) -> str | None:
    """The letter that a response without thinking chooses (letters, as "A, C", where `several` may be right)."""
    for content in marked_answers(text) + phrased_answers(text):
        if chosen := choice_in(content, options, several):
            return chosen
        if _REFUSAL.search(content) or content.lower().startswith("none"):
            return None
    return _concluded_choice(text, options)


def choice_in(content: str, options: tuple[str, ...], several: bool = False) -> str | None:
    """The letter that a marked answer names: a leading letter, an option's text, or the only letter in it."""
    text = _LABEL.sub("", canonical(content))
    if spelt := _option_spelt(text, options):
        return spelt
    allowed = LETTERS[: len(options)]
    listed = _listed_letters(text, allowed)
    if len(listed) > 1:
        return ", ".join(sorted(listed)) if several else None
    return (
        _leading_letter(text, options)
        or _option_named(text, options)
        or _only(_letters(text, allowed))
        or _option_within(text, options)
        or _option_around(text, options)
    )


def _option_spelt(text: str, options: tuple[str, ...]) -> str | None:
    """The letter of the only option whose text is `text`: "CD" is option CD, not C and D. One letter is no text."""
    if sum(map(str.isalpha, text)) < 2:
        return None
    return _only([letter for letter, option in zip(LETTERS, options, strict=False) if canonical(option) == text])


def _listed_letters(text: str, allowed: str) -> set[str]:
    """Letters of an enumeration at the start: "A and C", "(B), (D)", "AC"."""
    if re.fullmatch(rf"[{allowed}]{{2,}}", text):
        return set(text)
    one = rf"\(?[{allowed}]\)?"
    match = re.match(rf"{one}(?:\s*(?:,|/|&|\band\b|\bor\b)\s*(?:(?:and|or)\s+)?{one}(?![\w']))+", text)
    return set(re.findall(rf"[{allowed}]", match[0])) if match else set()


def _leading_letter(text: str, options: tuple[str, ...]) -> str | None:
    """The letter that `text` begins with, unless it is the article or the pronoun of a sentence."""
    allowed = LETTERS[: len(options)]
    match = re.match(r"[(\[{]?\s*([A-Za-z])\s*(?:[)\]}.:,;=]|-+|–|—|$)", text)
    if match and match[1].upper() in allowed and not re.match(r"[a-z][.:,;=-]\s*\S", text):
        return match[1].upper()
    followed = re.match(r"([A-Z])\s+(.+)", text)
    if not followed or followed[1] not in allowed:
        return None
    letter, rest = followed[1], followed[2].casefold()
    own = canonical(options[LETTERS.index(letter)]).casefold()
    reasoned = re.match(r"(?:because|since|as)\b|is (?:the )?(?:correct|right|best|answer)\b", rest)
    described = letter in "AI" or re.match(r"(?:is|are|was|has|have|shows?|looks?|would|could|might|or|and)\b", rest)
    return letter if reasoned or (own and rest.startswith(own)) or not described else None


def _letters(text: str, allowed: str) -> list[str]:
    """Capital letters that stand alone and are not denied, articles and pronouns left out."""
    found = []
    for match in re.finditer(rf"(?<![\w'\\])([{allowed}])(?![\w'])", text):
        article = match[1] in "AI" and re.match(r"\s+[a-z]", text[match.end() :]) and text[match.start() - 1] != "("
        if not article and not _NOT.search(text[max(0, match.start() - 40) : match.start()].rstrip("(")):
            found.append(match[1])
    return found


def _only(letters: list[str]) -> str | None:
    return letters[0] if len(set(letters)) == 1 else None


def _option_named(text: str, options: tuple[str, ...]) -> str | None:
    """The letter of the only option whose text, but for an article or a plural, or whose value `text` is."""
    named = [letter for letter, option in zip(LETTERS, options, strict=False) if _name(option) == _name(text)]
    plain = canonical(text)
    if not named and len(plain) <= 80:
        named = [
            letter for letter, option in zip(LETTERS, options, strict=False) if same_value(plain, canonical(option))
        ]
    return _only(named)


def _name(text: str) -> str:
    return re.sub(r"^(?:an?|the)\s+", "", canonical(text).casefold()).removesuffix("s")


def _option_around(text: str, options: tuple[str, ...]) -> str | None:
    """The letter of the only option that holds `text` as part of its own."""
    if len(text) < 4:
        return None
    words = re.compile(rf"(?<!\w){re.escape(text.casefold())}(?!\w)")
    return _only([letter for letter, option in zip(LETTERS, options, strict=False) if words.search(option.casefold())])


def _option_within(text: str, options: tuple[str, ...]) -> str | None:
    """The letter of the only option whose text occurs in `text` as whole words and is not denied."""
    found: dict[str, str] = {}
    end_of_denial = -1
    for start, end, letter, words in sorted(_occurrences(text.casefold(), options)):
        listed = 0 <= end_of_denial <= start and re.fullmatch(_ALTERNATIVE, text[end_of_denial:start])
        if listed or _NOT.search(text[max(0, start - 40) : start]):
            end_of_denial = end
        else:
            found[letter] = words
    longest = [
        one for one, words in found.items() if not any(words in more and words != more for more in found.values())
    ]
    return _only(longest)


def _occurrences(text: str, options: tuple[str, ...]) -> Iterator[tuple[int, int, str, str]]:
    for letter, option in zip(LETTERS, options, strict=False):
        words = canonical(option).casefold()
        for match in re.finditer(rf"(?<![\w.]){re.escape(words)}(?!\w|\.\d)", text) if words else ():
            yield match.start(), match.end(), letter, words


_CHOOSING = re.compile(
    r"\b(?:choose|pick|select|go(?:ing)? with|opt for|corresponds to|correspond to|matches|match|must be|would be|"
    r"therefore|thus|hence|so|is)\b[\s,:*_]*(?:it\s+(?:is|must be)\s+|it's\s+)?(?:the\s+)?"
    r"(?:option|choice|answer|letter)?[\s:*_]*\(?([A-Za-z])\)?(?=[\s*_]*(?:[.,;:!()]|$|\n|because|since|over|it is))",
    re.I,
)
_CHOSEN = re.compile(
    r"(?:\b(?:option|choice|letter|answer|statement)\s*)?[(*_]*(?<![\w'])([A-Z])(?![\w'])[)*_.]*\s+"
    r"(?:is|seems|looks|must be|would be|appears)\s+(?:to be\s+)?(?:clearly\s+|therefore\s+)?(?:the\s+)?"
    r"(?:most\s+)?(?:correct|right|best|answer|true|only|closest)"
)
_POINTED = (
    re.compile(r"(?:^|[.!?:;,]\s|\n)[*_]*\(?([A-Z])\)?[*_.]*\s*$"),
    re.compile(r"\*\*\s*\(?([A-Z])[).:]?(?:\s[^*\n]*)?\*\*"),
    re.compile(r"\(([A-Z])\)"),
    re.compile(r"\b(?:[Oo]ption|[Cc]hoice)\s+\(?([A-Z])\b"),
)


def _concluded_choice(text: str, options: tuple[str, ...]) -> str | None:
    """The letter that an unmarked response gives first or concludes with."""
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()] or [""]
    first, last = paragraphs[0][:LENGTH], paragraphs[-1][-2 * LENGTH :]
    line = first.partition("\n")[0]
    short = len(text) <= LENGTH and "\n" not in text.strip()
    leads = re.match(r"[*_\s]*\(?[A-Z]\)?\s*(?:[).:,*]|$)", line) and len(_leads(text)) == 1
    ways = (
        lambda: choice_in(line, options) if leads else None,
        lambda: _last_pointed(last, options),
        lambda: choice_in(last.splitlines()[-1] if last else "", options),
        lambda: choice_in(text, options) if short else None,
    )
    return next((chosen for way in ways if (chosen := way())), None)


def _leads(text: str) -> set[str]:
    """Letters that begin lines as an option's letter does."""
    return {match[1] for match in re.finditer(r"^[-*_\s]{0,8}\(?([A-Z])\)?\s*(?:[).:,*]|$)", text[: 10 * LENGTH], re.M)}


def _last_pointed(text: str, options: tuple[str, ...]) -> str | None:
    """The last letter in `text` that words choose; else the last that bold type, brackets or "option" point at."""
    for patterns in ((_CHOOSING, _CHOSEN), *((pattern,) for pattern in _POINTED)):
        found = sorted(hit for pattern in patterns for hit in _hits(pattern, text, options))
        if found:
            return found[-1][1]
    return None


def _hits(pattern: re.Pattern[str], text: str, options: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    for match in pattern.finditer(text):
        denied = _NOT.search(text[max(0, match.start() - 40) : match.start()]) or _NOT.search(match[0][:-1])
        article = match[1] in "ai" and not match[0].endswith(")")
        if match[1].upper() in LETTERS[: len(options)] and not denied and not article:
            yield match.start(1), match[1].upper()


# -- free answers ----------------------------------------------------------------------------------


def _free_verdict(text: str, gold: tuple[str, ...]) -> Verdict:
    content = read_free(text)
    if content is None:
        return Verdict(None, False, True)
    correct = any(same_answer(content, accepted) or _same_letter(content, accepted) for accepted in gold)
    return Verdict(canonical(content) or content, correct, False)


def read_free(text: str) -> str | None:
    """The free answer that a response without thinking gives."""
    for content in marked_answers(text)[:1] + phrased_answers(text)[:1]:
        box = _BOXED.search(content)
        inner = boxed(content, box.end()) if box else None
        return None if _REFUSAL.search(content) else content if inner is None else inner
    return None if _REFUSAL.search(text[-LENGTH:]) else _concluded_value(text)


def _same_letter(content: str, gold: str) -> bool:
    """A gold that is a letter, of an option or a point in the picture: "B. 17", "(B)" and "point B" answer "B"."""
    text, letter = canonical(content), canonical(gold).strip("()")
    if len(letter) != 1 or letter not in LETTERS:
        return False
    leading = re.match(r"(?:option |choice )?\(?([A-J])(?:[).:]|$)", text)
    return leading[1] == letter if leading else len(text.split()) <= 4 and _only(_letters(text, LETTERS)) == letter


def _concluded_value(text: str) -> str | None:
    """What an unmarked response says: all of it where it is short, else the end of its last sentence."""
    whole = canonical(text) if len(text) <= LENGTH else ""
    if whole and (len(whole.split()) <= 12 or quantity(whole)) and "\n\n" not in text:
        return text.strip()
    last = text.rstrip().rpartition("\n")[2][-LENGTH:]
    sentence = re.split(r"(?<=[.!?])\s+(?=[A-Z*$\\])", last.strip())[-1]
    bold = re.findall(r"\*\*([^*\n]+)\*\*", sentence)
    tail = re.split(r"=|≈|\b(?:is|are|equals|be|gives|get)\b", sentence)
    content = bold[-1] if bold else tail[-1] if len(tail) > 1 else ""
    return content.strip() if canonical(content) else None
