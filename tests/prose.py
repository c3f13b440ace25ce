"""What people read: README, CONTRIBUTING and the documentation, by path."""

import re

from projects import ROOT

FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROSE = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in FILES}
README = PROSE["README.md"]


def block(before: str, after: str = "```") -> str:
    """What stands between these lines; one page has it."""
    (found,) = (
        text
        for page in PROSE.values()
        for text in re.findall(rf"{re.escape(before)}\n(.*?)\n{re.escape(after)}", page, re.S)
    )
    return str(found)
