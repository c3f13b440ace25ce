"""Which studies a run has: one that was not run has no section on the page, no part of one, no line in the contents."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamr.planning.jobs import SummariseJob
from dreamr.report.run_times import Row


@dataclass(frozen=True)
class Made:
    """What earlier stages made of a run."""

    tables: Mapping[str, Sequence[Row]]
    figures: Collection[str]
    job: SummariseJob


Ran = Callable[[Made], bool]


@dataclass(frozen=True)
class Study:
    """A part of the experiment that a configuration may leave out."""

    heading: str
    takes: str  # what a configuration has to have for it
    ran: Ran


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


def exposed(made: Made) -> bool:
    """Whether a draft was trained on benchmark questions on purpose."""
    return any(row["method"] in made.job.exposed for row in made.tables["exposure"])


def ablation(kind: str, words: str) -> Study:
    """Methods that differ from the reference in settings of one kind."""
    return Study(
        f"Ablation: {words}", f"a method that differs from dreamr in {kind} alone", table("ablation", kind=kind)
    )


JUDGES = "a method in which the target judges steps"
TIMED = "questions that are also answered alone (alone of a suite)"
GENERATED = "generated questions, whose steps can be judged"
# By the id of the section; parts of sections by a name of their own.
STUDIES = {
    "contrasts": Study("Methods against each other", "two methods on the same questions", table("contrasts")),
    "explained": Study(
        "Why above or below the target?",
        "dreamr, or an intervention",
        either(of_reference("explained"), table("interventions"), table("answers_by_errors")),
    ),
    "parts": Study("Parts of the questions", "dreamr", of_reference("explained")),
    "interventions": Study(
        "Interventions", "methods with another budget, or with answers: target", table("interventions")
    ),
    "errors": Study("Accepted errors", GENERATED, table("answers_by_errors")),
    "control": Study(
        "A training on benchmark questions, the positive control for contamination",
        "generated questions, and a recipe with planted: true",
        exposed,
    ),
    "speed": Study("Speed", TIMED, table("speed")),
    "milliseconds": Study("Where the milliseconds go", TIMED, table("milliseconds")),
    "load": Study("Load: many questions at once", "a suite with crowds", table("load")),
    "tokens": Study("Tokens and device time", TIMED, table("speed")),
    "threads": Study(
        "The target alone on two threads",
        "the method target_only_two_threads, on a CPU",
        table("speed", method="target_only_two_threads"),
    ),
    "acceptance": Study("Acceptance", JUDGES, table("acceptance")),
    "verification": Study("CPN under the lens", GENERATED, table("verification")),
    "dose": Study("How good must verdicts be?", f"{GENERATED}, and methods with verifier: oracle", table("dose")),
    "gallery": Study("Gallery of bad verdicts", GENERATED, table("verification")),
    "sapo": Study("SAPO: training the draft", "a method with a recipe as draft", either(table("sapo"), figure("sapo"))),
    "schedule": ablation("schedule", "schedule"),
    "arms": Study(
        "Every combination of rivals and writing on",
        "methods that differ from dreamr in rivals and continues",
        figure("rivals-measured"),
    ),
    "published": Study(
        "Lookahead Reasoning at its published depth",
        "the method lookahead_published",
        table("speed", method="lookahead_published"),
    ),
    "window": ablation("window", "window"),
    "alpha": ablation("alpha", "acceptance threshold"),
    "verifier": ablation("verifier", "verifier"),
    "rewards": ablation("rewards", "reward weights"),
    "trainings": Study(
        "What several trainings of one recipe have in common",
        "runs with another seed",
        table("contrasts", differs="rewards", over="questions and trainings"),
    ),
    "quantization": Study(
        "Quantization", "a method on a quantized target and on the model that it was made from", table("quantization")
    ),
    "timeline": Study("How one question runs", f"dreamr, and {TIMED}", figure("timeline")),
}


def ran(made: Made) -> dict[str, bool]:
    """Whether each study was run."""
    return {name: study.ran(made) for name, study in STUDIES.items()}


def left_out(made: Made) -> list[Row]:
    """The studies that were not run, and what each takes."""
    return [{"study": one.heading, "takes": one.takes} for one in STUDIES.values() if not one.ran(made)]
