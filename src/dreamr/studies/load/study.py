"""Load: what is left of a speed-up when several questions are under way at once."""

from dreamr.report.sections import table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="What is left with many questions at once?",
    takes="questions that are answered many at once (load of a suite)",
    ran=table("load"),
    chapter="speed",
    order=3,
    tables={"summarise": ("load", "break_even")},
    kept={"load": (), "break_even": ()},
    figures={
        "load": "Where a line falls below 1 the target alone is better with so many questions at once: in the time of "
        "an answer (left), and in answers per device, both models' devices being held (right)."
    },
)
