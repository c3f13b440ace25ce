"""Accuracy against speed: every method that was timed, and which of them no other beats in both."""

from dreamr.report.sections import TIMED, table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Which methods does no other beat in both accuracy and speed?",
    takes=TIMED,
    ran=table("tradeoff"),
    chapter="training",
    order=3,
    tables={"summarise": ("tradeoff",)},
    figures={
        "tradeoff": "Further right is faster than the target alone, higher is more accurate. The thick line joins "
        "methods that no other beats in both; a grey line joins methods of a sweep that differ in its first setting.",
    },
)
