"""Contrasts: two methods on the same questions, with a test."""

from dreamr.report.sections import table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Methods against each other",
    takes="two methods on the same questions",
    ran=table("contrasts"),
    chapter="answer",
    order=4,
    tables={"summarise": ("contrasts",)},
    kept={"contrasts": ("benchmark",)},
    figures={
        "contrasts": "A line that stays on one side of the upright one (0 for points, 1 for ratios) tells two methods "
        "apart: to the right, the first of the two has more.",
    },
)
