"""Ablations: methods that differ from the reference in settings of one kind, a section for each kind."""

from dreamr.report.sections import ChapterName, Section, table
from dreamr.studies.catalogue import Study

KINDS = ("schedule", "window", "alpha", "verifier", "rewards")


def ablation(kind: str, heading: str, chapter: ChapterName, order: int) -> Section:
    """Methods that differ from the reference in settings of one kind."""
    return Section(
        f"Ablation: {heading}",
        f"a method that differs from dreamr in {kind} alone",
        table("ablation", kind=kind),
        chapter=chapter,
        order=order,
        folder="ablations",
    )


STUDY = Study(
    heading="",  # its sections are its parts
    parts={
        "schedule": ablation("schedule", "what does each degree of overlap bring?", "speed", 5),
        "window": ablation("window", "how far should the draft write ahead?", "speed", 7),
        "verifier": ablation("verifier", "what does another verifier change?", "verifier", 4),
        "alpha": ablation("alpha", "which alpha should I use?", "verifier", 5),
        "rewards": ablation("rewards", "what do other reward weights train?", "training", 2),
        "trainings": Section(
            "What several trainings of one recipe have in common",
            "runs with another replicate",
            table("recipes", differs="rewards"),
            inside="contrasts",
            chapter="claims",
            order=1,
        ),
    },
    tables={"summarise": ("ablation", "equivalence")},
    figures={
        f"ablation-{kind}": "One thing varies. Whether two settings differ is told by their contrast, not by two lines "
        "that do not meet."
        for kind in KINDS
    },
)
