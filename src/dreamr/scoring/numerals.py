r"""Numbers in words as numerals: "twenty-five cars" says "25 cars", "two thirds" 2/3, "2.5 million" 2.5 \times 10^6."""

import re

_TO_NINETEEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_FROM_TWENTY = "twenty thirty forty fifty sixty seventy eighty ninety"
_DENOMINATORS = "half third quarter fifth sixth seventh eighth ninth tenth"
_SMALL = {word: number for number, word in enumerate(_TO_NINETEEN.split())} | {"none": 0}
_TENS = {word: 10 * number for number, word in enumerate(_FROM_TWENTY.split(), start=2)}
_POWERS = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SCALES = {"hundred": 100, "dozen": 12} | {word: 10**power for word, power in _POWERS.items()}
_PARTS = {word: number for number, word in enumerate(_DENOMINATORS.split(), start=2)} | {"halve": 2, "fourth": 4}


def _one_of(words: dict[str, int]) -> str:
    return f"(?:{'|'.join(words)})"


_BELOW_HUNDRED = rf"(?:{_one_of(_TENS)}(?:[\s-]{_one_of(_SMALL)})?|{_one_of(_SMALL)})"
_FIRST = rf"(?:an?(?=\s{_one_of(_SCALES | _PARTS)})|{_BELOW_HUNDRED})"
_COUNT = rf"{_FIRST}(?:(?:\s{_one_of(_SCALES)})+(?:\s(?:and\s)?{_BELOW_HUNDRED})?)*"
_PART = rf"{_one_of(_PARTS)}s?"
_IN_WORDS = re.compile(
    rf"(?<![\w-])(?P<count>{_COUNT})(?:[\s-](?P<parts>{_PART})|\sand\s(?:an?|one)\s(?P<more>{_PART}))?(?![\w-])", re.I
)
_ROUND = re.compile(rf"(\d)[\s-]*({_one_of(_POWERS)})\b", re.I)


def numerals(text: str) -> str:
    """`text`, of single blanks, with each number that it spells out in digits."""
    text = _IN_WORDS.sub(_in_digits, text)
    return _ROUND.sub(lambda match: rf"{match[1]} \times 10^{_POWERS[match[2].lower()]}", text)


def _in_digits(match: re.Match[str]) -> str:
    number = str(_count(match["count"]))
    if match["parts"]:
        return f"{number}/{_denominator(match['parts'])}"
    return f"{number} 1/{_denominator(match['more'])}" if match["more"] else number


def _count(words: str) -> int:
    """The number that `words` are: "two thousand one hundred and five" is 2105."""
    total, group = 0, 0
    for word in re.findall(r"[a-z]+", words.lower()):
        if word == "hundred":
            group *= 100
        elif word in _SCALES:
            total, group = total + group * _SCALES[word], 0
        elif word != "and":
            group += _SMALL.get(word, 1) if word not in _TENS else _TENS[word]
    return total + group


def _denominator(word: str) -> int:
    return _PARTS[word.lower().removesuffix("s")]
