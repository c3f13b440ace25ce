"""Margin: whether less accuracy than the margin is lost, with these drafts and with drafts like these."""

from dreamr.report.sections import table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Is less than the margin lost, with these drafts and with drafts like these?",
    takes="a method in which the target judges, beside the target alone",
    ran=table("margin"),
    chapter="accuracy",
    order=7,
    tables={"summarise": ("margin",)},
    kept={"margin": ()},
    figures={
        "margin": "Left of the dashed line more than the margin is lost. A line that lies right of it as a whole keeps "
        "the accuracy, one that lies left of it does not; any other is undecided. Upright marks are single pairs."
    },
)
