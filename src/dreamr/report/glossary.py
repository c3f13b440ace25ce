"""Links from the first use of each word in the page's running text to its entry in the glossary.

Which use is the first depends on the studies that a run has, so the links are set on the finished page.
"""

import re

# Not running text: drawings, data, headings, what is a link already, and what a reader operates.
APART = {"a", "code", "h1", "h2", "h3", "label", "pre", "script", "select", "style", "summary", "svg", "table"}
ENTRY = re.compile(r'<dt id="term-(\w+)">(.*?)</dt>\s*<dd>(.*?)</dd>', re.DOTALL)
TAG = re.compile(r"(<[^>]+>)")  # the page's attributes hold no ">": the template engine escapes it


def link_first_uses(page: str) -> str:
    """The page with its links, which tell the entry where they are pointed at; words are `<dt id="term-...">`."""
    start, end = page.index("<header>"), page.index('<details class="part" id="glossary">')
    entries = sorted(ENTRY.findall(page[end:]), key=lambda entry: -len(entry[1]))  # of two that fit, the longer one
    uses = re.compile("|".join(_use(name, word) for name, word, _ in entries))
    meanings = {name: _bare(meaning) for name, _, meaning in entries}
    linked: set[str] = set()

    def link(use: re.Match[str]) -> str:
        name = str(use.lastgroup)
        if name in linked:
            return use[0]
        linked.add(name)
        return f'<a class="term" href="#term-{name}" title="{meanings[name]}">{use[0]}</a>'

    parts, depth = TAG.split(page[start:end]), 0
    for index, part in enumerate(parts):
        if index % 2:
            depth += _deeper(part)
        elif depth == 0:
            parts[index] = uses.sub(link, part)
    return page[:start] + "".join(parts) + page[end:]


def _bare(meaning: str) -> str:
    """An entry as the words of an attribute."""
    return " ".join(TAG.sub("", meaning).replace('"', "&quot;").split())


def _use(name: str, word: str) -> str:
    """A group that finds the word, one or several; a single letter is a symbol, whose case counts."""
    flag = "i" if len(word) > 1 else ""
    return rf"(?P<{name}>(?{flag}:(?<![\w-]){word}s?(?![\w-])))"


def _deeper(tag: str) -> int:
    """How a tag changes the number of open elements that are not running text."""
    name = re.match(r"</?(\w+)", tag)
    if not name or name[1].lower() not in APART:
        return 0
    return -1 if tag.startswith("</") else 1
