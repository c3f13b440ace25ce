"""How one question ran under each method."""

from dreamr.report.sections import TIMED, figure
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="How does the same question run under every method?",
    takes=f"dreamr, and {TIMED}",
    ran=figure("timeline"),
    chapter="question",
    order=1,
    leads=True,
    tables={"verify": ("example.jsonl",)},
    figures={
        "timeline": "Bars above one another are work at the same time; hollow ones were cancelled. A version that the "
        "target had finished is filled, though a verdict may have made it useless. The line is the end of the answer. "
        "The dotted one is the target alone, timed right beside that method, so each panel has its own.",
        "timeline-all": "The same question under every main method, read in the same way.",
    },
)
