"""Which letter a response chooses. Letters are compared by equality, options' texts as words."""

import re
import string
from collections.abc import Callable, Iterator

from dreamr.scoring.marks import LENGTH, REFUSAL, marked_answers, phrased_answers
from dreamr.scoring.values import canonical, same_value

LETTERS = string.ascii_uppercase
_LABEL = re.compile(
    r"^(?:the\s+)?(?:(?:correct|right|final|best)\s+)?(?:option|choice|letter|answer)\b(?:\s+is)?[\s:]*", re.I
)
_ALTERNATIVE = re.compile(r"\s*,?\s*(?:or|nor|and)\s+(?:an?\s+|the\s+)?", re.I)
_NOT = re.compile(r"(?:\bnot|\bno|\bnor|\bneither|n't|\brather than|\binstead of|\bunlike|\bover|\bexcludes?|\bthan)\W+"
                  r"(?:(?:be|a|an|the|option|choice|by)\W+){0,3}$", re.I)  # fmt: skip


def gold_letter(gold: str, options: tuple[str, ...]) -> str | None:
    """The letter that a gold names: itself, or that of the option with its text."""
    letter = canonical(gold).strip("().")
    return letter if letter in tuple(LETTERS[: len(options)]) else _option_named(gold, options)


def read_choice(text: str, options: tuple[str, ...], several: bool = False) -> str | None:
    """The letter that a response without thinking chooses (letters, as "A, C", where `several` may be right)."""
    for content in marked_answers(text) + phrased_answers(text):
        if chosen := choice_in(content, options, several):
            return chosen
        if REFUSAL.search(content) or content.lower().startswith("none"):
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
        or only(letters_in(text, allowed))
        or _option_within(text, options)
        or _option_around(text, options)
    )


def _option_spelt(text: str, options: tuple[str, ...]) -> str | None:
    """The letter of the only option whose text is `text`: "CD" is option CD, not C and D. One letter is no text."""
    if sum(map(str.isalpha, text)) < 2:
        return None
    return only([letter for letter, option in zip(LETTERS, options, strict=False) if canonical(option) == text])


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


def letters_in(text: str, allowed: str) -> list[str]:
    """Capital letters that stand alone and are not denied, articles and pronouns left out."""
    found = []
    for match in re.finditer(rf"(?<![\w'\\])([{allowed}])(?![\w'])", text):
        article = match[1] in "AI" and re.match(r"\s+[a-z]", text[match.end() :]) and text[match.start() - 1] != "("
        if not article and not _NOT.search(text[max(0, match.start() - 40) : match.start()].rstrip("(")):
            found.append(match[1])
    return found


def only(letters: list[str]) -> str | None:
    """The letter, where all are the same one."""
    return letters[0] if len(set(letters)) == 1 else None


def _option_named(text: str, options: tuple[str, ...]) -> str | None:
    """The letter of the only option whose text, but for an article or a plural, or whose value `text` is."""
    named = [letter for letter, option in zip(LETTERS, options, strict=False) if _name(option) == _name(text)]
    plain = canonical(text)
    if not named and len(plain) <= 80:
        named = [
            letter for letter, option in zip(LETTERS, options, strict=False) if same_value(plain, canonical(option))
        ]
    return only(named)


def _name(text: str) -> str:
    return re.sub(r"^(?:an?|the)\s+", "", canonical(text).casefold()).removesuffix("s")


def _option_around(text: str, options: tuple[str, ...]) -> str | None:
    """The letter of the only option that holds `text` as part of its own."""
    if len(text) < 4:
        return None
    words = re.compile(rf"(?<!\w){re.escape(text.casefold())}(?!\w)")
    return only([letter for letter, option in zip(LETTERS, options, strict=False) if words.search(option.casefold())])


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
    return only(longest)


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
    ways: tuple[Callable[[], str | None], ...] = (
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
