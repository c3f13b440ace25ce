"""Contrasts: two methods on the same questions, with a test."""

from dreamr.report.sections import table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="How do two methods differ on the same questions?",
    takes="two methods on the same questions",
    ran=table("contrasts"),
    chapter="claims",
    order=1,
    leads=True,
    tables={"summarise": ("contrasts", "trainings", "recipes")},
    kept={"contrasts": ("benchmark",), "recipes": ()},
    figures={
        "contrasts": "A line that stays on one side of the upright one (0 for points, 1 for ratios) tells two methods "
        "apart. To the right, the first of the two has more. Intervals are over questions; where a trained draft "
        "differs, over questions and trainings.",
        "trainings": "Upright marks are single trainings, the thick one the first: what an ablation with one training "
        "would have reported. The point is the mean over all, with its interval over questions and trainings.",
        "contrasts-all": "All contrasts. Of two schedules only the speed is shown: they write the same text.",
    },
)
