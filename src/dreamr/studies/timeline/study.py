"""How one question ran under each method."""

from dreamr.report.sections import TIMED, figure
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="How one question runs",
    takes=f"dreamr, and {TIMED}",
    ran=figure("timeline"),
    chapter="question",
    order=1,
    figures={
        "timeline": "Bars of different colours above one another are work at the same time; pale ones were cancelled, "
        "the line is the end of the answer and the dotted one that of the target alone.",
    },
)
