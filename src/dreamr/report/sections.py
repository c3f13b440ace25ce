"""Sections of the page and parts of them: which there are, in which order, and which of them a run has.

A section that was not run is not on the page and not in its contents; the page's end says what it takes.
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
Chapter = Literal["answer", "question", "speed", "accuracy", "verifier", "training", "appendix"]
# What the contents call them, in their order.
CHAPTERS: Mapping[Chapter, str] = {
    "answer": "The answer",
    "question": "How one question runs",
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
    """A section of the page, or a part of one. Its template is `<name>.html.j2`, or a study's `section.html.j2`."""

    heading: str
    takes: str = ""  # what a configuration has to have for it
    ran: Ran = always
    inside: str = ""  # the section that it is a part of
    chapter: Chapter = "answer"
    order: int = 0  # in its chapter
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
        "At a glance",
        order=1,
        figures={
            "overview": "Further right is faster than the target alone, higher is more accurate; the aim is the part "
            "right of 1 and above the dashed line, the largest loss that counts as not inferior."
        },
    ),
    "models": Section("The models", order=2),
    "claims": Section("The paper's claims", order=3),
    "explained": Section(
        "Why above or below the target?", "dreamr, or an intervention", never, chapter="accuracy", order=2
    ),
    "limits": Section("What this can and cannot show", order=5),
    "glossary": Section("Glossary", chapter="appendix", order=3),
    "provenance": Section("Where every number comes from", chapter="appendix", order=4),
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


def contents(sections: Mapping[str, Section], shown: Mapping[str, bool]) -> list[tuple[str, dict[str, str]]]:
    """The chapters of the page, each with the headings of its sections by their names."""
    found = [
        (title, {name: one.heading for name, one in sections.items() if one.chapter == chapter and not one.inside})
        for chapter, title in CHAPTERS.items()
    ]
    here = [(title, {name: heading for name, heading in part.items() if shown[name]}) for title, part in found]
    return [(title, part) for title, part in here if part]


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
