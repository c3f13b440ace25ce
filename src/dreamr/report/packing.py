"""What the page keeps packed, so that it can be mailed: the data to save, and large tables until they are opened.

Of a page of 4.7 MB, 2.1 MB were CSV files, each table's as often as the page showed a part of it, 1.2 MB rows of folded
tables, 0.9 MB figures. Now each file is there once, by gzip a fifth of it, and so are the rows of large tables; figures
stay as they are, to be seen without scripts. Browsers unpack by DecompressionStream (reports/page.js).
"""

import base64
import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from dreamr.provenance import file_digest
from dreamr.report.sections import Row

LARGE = 8_000  # characters of a table above which it is packed
# The rule that makes what lies in a folder of the results; one table has a rule of its own.
MADE_BY = {"tables": "summarise", "audit": "audit", "verification": "verify", "figures": "plot"}
SIMULATED = "target_speculation"


@dataclass(frozen=True)
class Source:
    """A table or figure: its data to be saved, and how it was made."""

    path: Path  # of the data
    csv: bytes
    drawing: Path | None = None
    svg: str = ""

    @classmethod
    def of(cls, path: Path, drawing: Path | None = None) -> "Source":
        """A table, or what a figure shows together with its drawing."""
        svg = Markup(drawing.read_text(encoding="utf-8")) if drawing else ""
        return cls(path, path.read_bytes(), drawing, svg)

    @property
    def name(self) -> str:
        """That of its table or figure."""
        return self.path.stem

    @property
    def file(self) -> str:
        """The file that the page shows, with its folder."""
        shown = self.drawing or self.path
        return f"{shown.parent.name}/{shown.name}"

    @property
    def id(self) -> str:
        """Of the row on the page that says how it was made."""
        return f"made-{self.path.parent.name}-{self.name}"

    @property
    def rule(self) -> str:
        """The rule of the workflow that made it."""
        return "simulate" if self.name == SIMULATED and not self.drawing else MADE_BY[self.path.parent.name]

    @property
    def saved_as(self) -> str:
        """What its data are called where they are saved."""
        return f"{self.name}{'-figure' if self.drawing else ''}.csv"

    @property
    def empty(self) -> bool:
        """Whether it has columns but no row, since its part of the experiment was not run."""
        return self.csv.count(b"\n") <= 1

    @property
    def bytes(self) -> int:
        """Size of the file that the page shows."""
        return (self.drawing or self.path).stat().st_size

    @property
    def sha256(self) -> str:
        """Digest of the file that the page shows."""
        return file_digest(self.drawing or self.path)

    @property
    def link(self) -> str:
        """Its data by gzip, as a link to save them by."""
        return "data:application/gzip;base64," + _zipped(self.csv)


def packed(table: str) -> Markup:
    """A table as it is or, if it is large, by gzip in base64 for the page's script to unpack."""
    if len(table) <= LARGE:
        return Markup(table)
    return Markup('<p class="packed quiet" data-packed="{}">{}</p>').format(
        _zipped(table.encode()), "A large table: scripts show it, and without them its CSV file can be saved."
    )


def _zipped(content: bytes) -> str:
    """The same text for the same content: no time goes in."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def answers(traces: Iterable[Path]) -> list[Row]:
    """Name, size and SHA-256 of each file of answers that the tables rest on."""
    return [
        {"name": "/".join(path.parts[-5:]), "bytes": path.stat().st_size, "sha256": file_digest(path)}
        for path in sorted(traces)
    ]
