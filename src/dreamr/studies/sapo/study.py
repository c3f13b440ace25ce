"""SAPO: what its trainings do to a draft."""

from dreamr.report.sections import either, figure, table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="What does SAPO change on each pair?",
    takes="a method with a recipe as draft",
    ran=either(table("sapo"), figure("sapo")),
    chapter="training",
    order=1,
    leads=True,
    tables={"summarise": ("sapo",)},
    kept={"sapo": ("target", "draft")},
    figures={
        "sapo": "Acceptance that rises while tokens fall is what the training is for; thin lines are drafts, a "
        "thick one the mean over those of one recipe.",
    },
)
