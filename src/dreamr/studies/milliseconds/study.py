"""Where the milliseconds of an answer go, and how far it is from its critical path."""

from dreamr.report.sections import TIMED, table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Where do the milliseconds go?",
    takes=TIMED,
    ran=table("milliseconds"),
    chapter="speed",
    order=2,
    tables={"summarise": ("milliseconds",)},
    figures={
        "milliseconds": "The longest part of a wide bar is what an answer waits for most; the thin bar below is its "
        "critical path by what is on it, and what the wide one is longer another schedule could save (the diamond: "
        "that path if no request slowed another)."
    },
)
