"""Contamination: benchmark questions that stand in training sets as well, and whether drawing them shows."""

from dreamr.report.sections import Made, Section
from dreamr.studies.catalogue import Study


def exposed(made: Made) -> bool:
    """Whether a draft was trained on benchmark questions on purpose."""
    return any(row["method"] in made.job.exposed for row in made.tables["exposure"])


STUDY = Study(
    heading="Do benchmark questions stand in training sets?",
    chapter="appendix",
    order=3,
    tables={"summarise": ("contamination", "exposure", "clean")},
    parts={
        "control": Section(
            "A training on benchmark questions, the positive control for contamination",
            "generated questions, and a recipe with planted: true",
            exposed,
            inside="contamination",
        )
    },
)
