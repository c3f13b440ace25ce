"""Acceptance of the draft's steps, in both readings."""

from dreamr.report.sections import table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="How many of the draft's steps are accepted?",
    takes="a method in which the target judges steps",
    ran=table("acceptance"),
    chapter="verifier",
    order=2,
    leads=True,
    tables={"summarise": ("acceptance",)},
    kept={"acceptance": ("target", "draft")},
    figures={
        "acceptance": "Points below the line of their draft's c pay for what that closed form of asynchronous "
        "lookahead leaves out: verdicts that take time, requests that crowd each other, steps of unequal length.",
    },
)
