"""Whether SAPO's gain in acceptance is better steps, or steps that please the judge."""

from dreamr.report.sections import table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Does SAPO learn to please its judge?",
    takes="generated questions, and a method with a recipe as draft beside the same with the plain one",
    ran=table("gaming"),
    chapter="training",
    order=4,
    tables={"verify": ("gaming", "judges")},
    figures={
        "gaming": "The four lower lines add up to the first one. The last is what pleases the judge alone: wrong "
        "steps of the same kind that pass more often. Points with lines are over all pairs, upright marks are pairs."
    },
)
