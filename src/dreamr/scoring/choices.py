"""Which letter a response chooses. Letters are compared by equality, options' texts as words."""

import re
import string
from collections.abc import Callable, Iterable, Iterator

from dreamr.scoring.marks import LENGTH, REFUSAL, corrections, marked_answers, phrased_answers
from dreamr.scoring.values import canonical, same_value

LETTERS = string.ascii_uppercase
_LABEL = re.compile(
    r"^(?:the\s+)?(?:(?:correct|right|final|best)\s+)?(?:option|choice|letter|answer)\b(?:\s+is)?[\s:]*", re.I
)
_ALTERNATIVE = re.compile(r"\s*,?\s*(?:or|nor|and)\s+(?:an?\s+|the\s+)?", re.I)
_NOT = re.compile(r"(?:\b(?:not|cannot|no|nor|neither|rather than|instead of|unlike|over|excludes?|than)|n't)\W+"
                  r"(?:(?:be|a|an|the|option|choice|by|choose|pick|select)\W+){0,3}$", re.I)  # fmt: skip
_RULED_OUT = re.compile(
    r"[)*_]{0,4}\s+(?:(?:is|are|was|can be|must be)\s+)?"
    r"(?:not|wrong|incorrect|false|ruled out|excluded|eliminated|isn't|can't|cannot|doesn't|won't)\b",
    re.I,
)


def gold_letter(gold: str, options: tuple[str, ...]) -> str | None:
    """The letter that a gold names: itself, or that of the option with its text."""
    letter = canonical(gold).strip("().")
    return letter if letter in tuple(LETTERS[: len(options)]) else _option_named(gold, options)


def read_choice(text: str, options: tuple[str, ...], several: bool = False) -> str | None:
    """The letter that a response without thinking chooses (letters, as "A, C", where `several` may be right)."""
    for content in marked_answers(text) + phrased_answers(text):
        if letters := offered(content, options):
            return ", ".join(sorted(letters)) if several else only(letters)
        if REFUSAL.search(content) or content.lower().startswith("none"):
            return None
    return only(_concluded_letters(text, options))


def offered(content: str, options: tuple[str, ...]) -> set[str]:
    """The letters that a marked answer offers: two for "B or C" and for "B" beside the text of C.

    What names an option is a leading letter, an option's text, or the only letter in it.
    """
    text = _LABEL.sub("", canonical(content))
    allowed = LETTERS[: len(options)]
    if spelt := _option_spelt(text, options):
        return {spelt}
    listed = _listed_letters(text, allowed)
    if len(listed) > 1:
        return listed
    leading, named = _leading_letter(text, options), _option_named(text, options)
    letter = leading or (None if named else only(letters_in(text, allowed)))
    if letter:
        return {letter, _described(text, letter, options)}
    letter = named or _option_within(text, options) or _option_around(text, options)
    return {letter} if letter else set()


def _described(text: str, letter: str, options: tuple[str, ...]) -> str:
    """The letter whose option's text stands beside `letter` in `text`: B in "A. dog"; `letter` where none does."""
    one = rf"[(\[]?(?:\b(?:option|choice)\s+)?\b[{letter}{letter.lower()}]\b[)\]]?[\s.:,;=-]*"
    beside = re.sub(one, "", text, count=1)
    own = re.escape(canonical(options[LETTERS.index(letter)]))
    if re.match(rf"\W*{own}(?!\w|\.\d)", beside, re.I):
        return letter
    clause = re.split(r"[,;]|[.!]\s|(?:^|\s)(?:because|since|as|which)\s", beside, maxsplit=1)[0]
    return _option_named(clause.strip(" ()"), options) or letter


def _option_spelt(text: str, options: tuple[str, ...]) -> str | None:
    """The letter of the only option whose text is `text`: "CD" is option CD, not C and D. One letter is no text."""
    if sum(map(str.isalpha, text)) < 2:
        return None
    return only(letter for letter, option in zip(LETTERS, options, strict=False) if canonical(option) == text)


def _listed_letters(text: str, allowed: str) -> set[str]:
    """Letters of an enumeration at the start: "A and C", "(B), (D)", "AC"."""
    if re.fullmatch(rf"[{allowed}]{{2,}}", text):
        return set(text)
    one = rf"\(?[{allowed}]\)?"
    match = re.match(
        rf"(?:(?:either|both|between)\s+)?{one}(?:\s*(?:,|/|&|\band\b|\bor\b)\s*(?:(?:and|or)\s+)?{one}(?![\w']))+",
        text,
    )
    return set(re.findall(rf"[{allowed}]", match[0])) if match else set()


def _leading_letter(text: str, options: tuple[str, ...]) -> str | None:
    """The letter that `text` begins with, unless it is the article or the pronoun of a sentence."""
    allowed = LETTERS[: len(options)]
    match = re.match(r"[(\[{]?\s*([A-Za-z])\s*(?:[)\]}.:,;=]|-+|–|—|$)", text)
    if match and match[1].upper() in allowed and not re.match(r"[a-z][.:,;=-]\s*\S", text):
        return match[1].upper()
    followed = re.match(r"([A-Z])\s+(.+)", text)
    if not followed or followed[1] not in allowed or _RULED_OUT.match(text, 1):
        return None
    letter, rest = followed[1], followed[2].casefold()
    own = canonical(options[LETTERS.index(letter)]).casefold()
    reasoned = re.match(r"(?:because|since|as)\b|is (?:the )?(?:correct|right|best|answer)\b", rest)
    described = (letter in "AI" and rest[0] != "(") or re.match(
        r"(?:is|are|was|has|have|shows?|looks?|would|could|might|or|and)\b", rest
    )
    return letter if reasoned or (own and rest.startswith(own)) or not described else None


def letters_in(text: str, allowed: str) -> list[str]:
    """Capital letters that stand alone and are not denied, articles and pronouns left out."""
    found = []
    for match in re.finditer(rf"(?<![\w'\\])([{allowed}])(?![\w'])", text):
        article = match[1] in "AI" and re.match(r"\s+[a-z]", text[match.end() :]) and text[match.start() - 1] != "("
        if not article and not _denied(text, match.start(), match.end()):
            found.append(match[1])
    return found


def _denied(text: str, start: int, end: int) -> bool:
    """Whether the words around a place of `text` rule out what stands there."""
    return bool(_NOT.search(text[max(0, start - 40) : start].rstrip("(")) or _RULED_OUT.match(text, end))


def only(letters: Iterable[str]) -> str | None:
    """The letter, where all are the same one."""
    found = set(letters)
    return found.pop() if len(found) == 1 else None


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
    return only(letter for letter, option in zip(LETTERS, options, strict=False) if words.search(option.casefold()))


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
    r"\b(?:choose|pick|select|go(?:ing)? with|opt for|corresponds to|correspond to|matches|match|must be|has to be|"
    r"would be|therefore|thus|hence|so|but|is|it's)\b[\s,:*_]*(?:it\s+(?:is|must be|has to be)\s+|it's\s+)?"
    r"(?:(?:clearly|actually|really|definitely|probably|likely)\s+)?(?:the\s+)?"
    r"(?:option|choice|answer|letter)?[\s:*_]*\(?([A-Za-z])\)?(?=[\s*_]*(?:[.,;:!()]|$|\n|because|since|over|it is))",
    re.I,
)
_CHOSEN = re.compile(
    r"(?:\b(?:option|choice|letter|answer|statement)\s*)?[(*_]*(?<![\w'])([A-Z])(?![\w'])[)*_.]*\s+"
    r"(?:is|seems|looks|must be|would be|appears)\s+(?:to be\s+)?(?:clearly\s+|therefore\s+)?(?:the\s+)?"
    r"(?:most\s+)?(?:correct|right|best|answer|true|only|closest)"
)
_TICKED = re.compile(r"^[-*_\s]{0,8}\(?([A-Z])\)?\W[^\n]*?(?:[✓✔✅☑]|[-–—:(]\s*correct\W*$)", re.M)
_POINTED = (
    re.compile(r"(?:^|[.!?:;,]\s|\n)[*_]*\(?([A-Z])\)?[*_.]*\s*$"),
    re.compile(r"\*\*\s*\(?([A-Z])[).:]?(?:\s[^*\n]*)?\*\*"),
    re.compile(r"\(([A-Z])\)"),
    re.compile(r"\b(?:[Oo]ption|[Cc]hoice)\s+\(?([A-Z])\b"),
)


def _concluded_letters(text: str, options: tuple[str, ...]) -> set[str]:
    """The letters that an unmarked response gives first or concludes with."""
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()] or [""]
    first, last = paragraphs[0][:LENGTH], paragraphs[-1][-2 * LENGTH :]
    line = first.partition("\n")[0]
    short = len(text) <= LENGTH and "\n" not in text.strip()
    leads = re.match(r"[*_\s]*\(?[A-Z]\)?\s*(?:[).:,*]|$)", line) and len(_leads(text)) == 1
    corrected = [content for _, content in corrections(text)]
    ways: tuple[Callable[[], set[str]], ...] = (
        lambda: offered(corrected[-1], options) if corrected else set(),
        lambda: offered(line, options) if leads else set(),
        lambda: {match[1] for match in _TICKED.finditer(text[: 10 * LENGTH])} & set(LETTERS[: len(options)]),
        lambda: _last_pointed(last, options),
        lambda: offered(last.splitlines()[-1] if last else "", options),
        lambda: offered(text, options) if short else set(),
    )
    return next((letters for way in ways if (letters := way())), set())


def _leads(text: str) -> set[str]:
    """Letters that begin lines as an option's letter does."""
    return {match[1] for match in re.finditer(r"^[-*_\s]{0,8}\(?([A-Z])\)?\s*(?:[).:,*]|$)", text[: 10 * LENGTH], re.M)}


def _last_pointed(text: str, options: tuple[str, ...]) -> set[str]:
    """The last letter in `text` that words choose; else the last that bold type, brackets or "option" point at."""
    for patterns in ((_CHOOSING, _CHOSEN), *((pattern,) for pattern in _POINTED)):
        found = sorted(hit for pattern in patterns for hit in _hits(pattern, text, options))
        if found:
            return {found[-1][1]}
    return set()


def _hits(pattern: re.Pattern[str], text: str, options: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    for match in pattern.finditer(text):
        denied = _denied(text, match.start(), match.end(1)) or _NOT.search(match[0][:-1])
        article = match[1] in "ai" and not match[0].endswith(")")
        if match[1].upper() in LETTERS[: len(options)] and not denied and not article:
            yield match.start(1), match[1].upper()
