"""Sections of the page and parts of them: which there are, in which order, and which of them a run has.

A section that was not run is not on the page and not in its contents; the page's end says what it takes.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dreamr.planning.jobs import SummariseJob

Row = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """What earlier stages made of a run."""

    tables: Mapping[str, Sequence[Row]]
    figures: Collection[str]
    job: SummariseJob


Ran = Callable[[Made], bool]


def always(made: Made) -> bool:
    """Every run has it."""
    return True


@dataclass(frozen=True)
class Section:
    """A section of the page, or a part of one. Its template is `<name>.html.j2`, or in the folder of a study."""

    heading: str
    takes: str = ""  # what a configuration has to have for it
    ran: Ran = always
    inside: str = ""  # the section that it is a part of
    behind: str = ""  # the section that it follows
    order: int = 0  # among those with the same place
    parts: Mapping[str, "Section"] = field(default_factory=dict)  # that its own template shows
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


def ablation(kind: str, words: str) -> Section:
    """Methods that differ from the reference in settings of one kind."""
    return Section(
        f"Ablation: {words}", f"a method that differs from dreamr in {kind} alone", table("ablation", kind=kind)
    )


TIMED = "questions that are also answered alone (alone of a suite)"
GENERATED = "generated questions, whose steps can be judged"
# Those that are no study's own. A part stands behind its section, or behind what it is told of with.
SECTIONS = {
    "glance": Section("At a glance"),
    "models": Section("The models"),
    "claims": Section("The paper's claims"),
    "contrasts": Section("Methods against each other", "two methods on the same questions", table("contrasts")),
    "accuracy": Section("Accuracy against the target"),
    "explained": Section("Why above or below the target?", "dreamr, or an intervention", of_reference("explained")),
    "parts": Section("Parts of the questions", "dreamr", of_reference("explained"), inside="explained"),
    "speed": Section("Speed", TIMED, table("speed")),
    "tokens": Section("Tokens and device time", TIMED, table("speed")),
    "threads": Section(
        "The target alone on two threads",
        "the method target_only_two_threads, on a CPU",
        table("speed", method="target_only_two_threads"),
        inside="tokens",
    ),
    "pairs": Section("The pairs in numbers"),
    "acceptance": Section("Acceptance", "a method in which the target judges steps", table("acceptance")),
    "sapo": Section(
        "SAPO: training the draft", "a method with a recipe as draft", either(table("sapo"), figure("sapo"))
    ),
    "schedule": ablation("schedule", "schedule"),
    "target_speculation": Section("Which overlap pays?"),
    "arms": Section(
        "Every combination of target speculation and writing on",
        "methods that differ from dreamr in target_speculation and continues",
        figure("target-speculation-measured"),
        inside="target_speculation",
    ),
    "published": Section(
        "Lookahead Reasoning at its published depth",
        "the method lookahead_published",
        table("speed", method="lookahead_published"),
        inside="target_speculation",
    ),
    "window": ablation("window", "window"),
    "alpha": ablation("alpha", "acceptance threshold"),
    "verifier": ablation("verifier", "verifier"),
    "rewards": ablation("rewards", "reward weights"),
    "trainings": Section(
        "What several trainings of one recipe have in common",
        "runs with another replicate",
        table("contrasts", differs="rewards", over="questions and trainings"),
        inside="contrasts",
    ),
    "timeline": Section("How one question runs", f"dreamr, and {TIMED}", figure("timeline")),
    "glossary": Section("Glossary"),
    "limits": Section("What this can and cannot show"),
    "provenance": Section("Where every number comes from"),
}


def in_order(studies: Mapping[str, Section]) -> dict[str, Section]:
    """All sections and parts as the page has them: each study behind the section that it names or is a part of."""
    place, places = "", dict[str, dict[str, Section]]()
    for name, section in SECTIONS.items():
        place = place if section.inside else name
        places.setdefault(place, {})[name] = section
    for name, study in sorted(studies.items(), key=lambda one: (not one[1].inside, one[1].order)):
        places[study.inside or study.behind] |= {name: study, **study.parts}
    return {name: section for place in places.values() for name, section in place.items()}


def captions(shared: Path, studies: Mapping[str, Section]) -> dict[str, str]:
    """What to see in each figure: in those of the file `shared`, and in those of studies."""
    found: dict[str, str] = yaml.safe_load(shared.read_text(encoding="utf-8"))
    return found | {name: caption for study in studies.values() for name, caption in study.figures.items()}


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
