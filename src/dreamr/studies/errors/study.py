"""Accepted errors: what becomes of an answer in which the target accepted wrong steps."""

from dreamr.report.sections import GENERATED, table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Accepted errors",
    takes=GENERATED,
    ran=table("answers_by_errors"),
    inside="explained",
    chapter="accuracy",
    order=4,
    tables={"verify": ("answers_by_errors",)},
    figures={
        "errors": "How far a point lies below its cross, the target alone on the same questions, is what goes with "
        "that many accepted errors."
    },
)
