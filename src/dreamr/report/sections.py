"""Chapters of the page, their sections and parts of these: which there are, in which order, which of them a run has.

A chapter opens with the lead of its first section that has one; its sections are folded below. A section that was not
run is not on the page and not in its contents; the first chapter says what it takes.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dreamr.planning.jobs import SummariseJob

Row = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """What earlier stages made of a run."""

    tables: Mapping[str, Sequence[Row]]
    figures: Collection[str]
    job: SummariseJob


Ran = Callable[[Made], bool]
ChapterName = Literal["answer", "question", "claims", "speed", "accuracy", "verifier", "training", "appendix"]
# What they are called, in their order.
CHAPTERS: Mapping[ChapterName, str] = {
    "answer": "The answer",
    "question": "How one question runs",
    "claims": "The paper's claims",
    "speed": "Speed",
    "accuracy": "Accuracy, and why",
    "verifier": "The verifier",
    "training": "Training and ablations",
    "appendix": "Appendix",
}


def always(made: Made) -> bool:
    """Every run has it."""
    return True


def never(made: Made) -> bool:
    """No run has it but by one of its parts."""
    return False


@dataclass(frozen=True)
class Section:
    """A section of the page, or a part of one. Its template is `<name>.html.j2`, or a study's `section.html.j2`.

    That of its lead is `<name>.lead.html.j2`, or a study's `lead.html.j2`.
    """

    heading: str
    takes: str = ""  # what a configuration has to have for it
    ran: Ran = always
    inside: str = ""  # the section that it is a part of
    chapter: ChapterName = "answer"
    order: int = 0  # in its chapter
    leads: bool = False  # whether it has a lead, which opens the chapter unless a section before it does
    folder: str = ""  # of the study that has its template, where that is no study of its own
    # Of a study: what its own template shows, and its further sections.
    parts: Mapping[str, "Section"] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)  # each with what to see in it, in a sentence


def table(name: str, **cells: Any) -> Ran:
    """Run if the table has a row with these cells; a table that was not made has none."""
    return lambda made: any(all(row[key] == value for key, value in cells.items()) for row in made.tables.get(name, ()))


def of_reference(name: str) -> Ran:
    """Run if the table has a row of the method that ablations vary."""
    return lambda made: table(name, method=made.job.reference)(made)


def figure(name: str) -> Ran:
    """Run if the figure was drawn."""
    return lambda made: name in made.figures


def either(*ways: Ran) -> Ran:
    """Run if any of these says so."""
    return lambda made: any(way(made) for way in ways)


TIMED = "questions that are also answered alone (alone of a suite)"
GENERATED = "generated questions, whose steps can be judged"
# Those that are no study's own.
SECTIONS = {
    "glance": Section(
        "What does it cost, and what stays open?",
        order=1,
        leads=True,
        figures={
            "overview": "Further right is faster, higher is more accurate. Wanted is the part right of 1 and above the "
            "dashed line, the largest loss that counts as non-inferior."
        },
    ),
    "models": Section("Which models stand for which?", order=2),
    "limits": Section("What can this show, and what of it holds on my GPUs?", order=3),
    "claims": Section("What is each verdict made from?", chapter="claims", order=2, leads=True),
    "explained": Section(
        "Why above or below the target?", "dreamr, or an intervention", never, chapter="accuracy", order=2
    ),
    "provenance": Section("Where does every number come from?", chapter="appendix", order=1, leads=True),
    "benchmarks": Section(
        "What are all numbers by pair and benchmark?",
        "an answered question",
        table("accuracy"),
        chapter="appendix",
        order=2,
    ),
    "glossary": Section("What do the words mean?", chapter="appendix", order=6),
}


def in_order(studies: Mapping[str, Section]) -> dict[str, Section]:
    """All sections and parts as the page has them; a part that names no place stands behind its study."""
    found = [(_place(one), name, one) for name, one in SECTIONS.items()]
    for name, study in studies.items():
        found += [(_place(study), name, study)] if study.heading else []
        found += [(_place(part if part.order else study), key, part) for key, part in study.parts.items()]
    return {name: section for _, name, section in sorted(found, key=lambda one: one[0])}


def _place(section: Section) -> tuple[int, int]:
    return list(CHAPTERS).index(section.chapter), section.order


@dataclass(frozen=True)
class Chapter:
    """A chapter of a run's page."""

    name: ChapterName
    heading: str
    parts: Mapping[str, Section]  # folded
    lead: str = ""  # the section whose lead opens it

    @property
    def id(self) -> str:
        """Its place on the page; some of its sections have its name."""
        return f"chapter-{self.name}"


def chapters(sections: Mapping[str, Section], shown: Mapping[str, bool]) -> list[Chapter]:
    """The chapters that have something to show."""
    found = []
    for name, heading in CHAPTERS.items():
        parts = {key: one for key, one in sections.items() if one.chapter == name and not one.inside and shown[key]}
        lead = next((key for key, one in parts.items() if one.leads), "")
        found.append(Chapter(name, heading, parts, lead))
    return [chapter for chapter in found if chapter.parts]


def captions(studies: Mapping[str, Section]) -> dict[str, str]:
    """What to see in each figure."""
    every = [*SECTIONS.values(), *studies.values()]
    return {name: caption for section in every for name, caption in section.figures.items()}


def ran(sections: Mapping[str, Section], made: Made) -> dict[str, bool]:
    """Whether each section was run, itself or a part of it."""
    own = {name: section.ran(made) for name, section in sections.items()}
    inside = {section.inside for name, section in sections.items() if own[name]}
    return {name: found or name in inside for name, found in own.items()}


def left_out(sections: Mapping[str, Section], made: Made) -> Iterator[Row]:
    """The sections and parts that were not run, and what each takes."""
    for name, found in ran(sections, made).items():
        if not found:
            yield {"study": sections[name].heading, "takes": sections[name].takes}
