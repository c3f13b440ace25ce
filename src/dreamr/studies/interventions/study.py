"""Interventions: a method with one possible cause of its distance to the target taken away."""

from dreamr.report.sections import table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Interventions",
    takes="methods with another budget, or with answers: target",
    ran=table("interventions"),
    inside="explained",
    chapter="accuracy",
    order=3,
    tables={"summarise": ("interventions",)},
    kept={"interventions": ("benchmark",)},
)
