"""How often a calibrated threshold loses more than its risk: calibrations again and again on the answers of a run."""

from dreamr.report.sections import table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="How often does a calibrated threshold break its promise?",
    takes="one method at three thresholds or more, with 2,000 problems or more (config/accuracy.yaml)",
    ran=table("recalibrations"),
    chapter="accuracy",
    order=8,
    tables={"summarise": ("recalibrations",)},
    kept={"recalibrations": ()},
    figures={
        "recalibrations": "Each point is one calibration: the loss of its threshold on the problems that it did not "
        "see. Points right of the line break the promise there.",
    },
)
