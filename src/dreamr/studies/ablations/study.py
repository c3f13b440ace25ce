"""Ablations: methods that differ from the reference in settings of one kind, a section for each kind."""

from dreamr.report.sections import Section, table
from dreamr.studies.catalogue import Study


def ablation(kind: str, words: str, order: int) -> Section:
    """Methods that differ from the reference in settings of one kind."""
    return Section(
        f"Ablation: {words}",
        f"a method that differs from dreamr in {kind} alone",
        table("ablation", kind=kind),
        chapter="training",
        order=order,
        folder="ablations",
    )


STUDY = Study(
    heading="",  # its sections are its parts
    parts={
        "schedule": ablation("schedule", "schedule", 2),
        "window": ablation("window", "window", 4),
        "alpha": ablation("alpha", "acceptance threshold", 5),
        "verifier": ablation("verifier", "verifier", 6),
        "rewards": ablation("rewards", "reward weights", 7),
        "trainings": Section(
            "What several trainings of one recipe have in common",
            "runs with another replicate",
            table("contrasts", differs="rewards", over="questions and trainings"),
            inside="contrasts",
            chapter="training",
            order=7,
        ),
    },
    tables={"summarise": ("ablation",)},
    figures={
        "ablation": "Each block varies one thing alone; whether two of its settings differ is told by their contrast, "
        "not by two lines that do not meet.",
    },
)
