"""The tables of verified steps, each from the module that explains it."""

from dreamr.studies.verification.readings import reading_curves, readings
from dreamr.studies.verification.separation import calibration, roc
from dreamr.studies.verification.step_parts import replacements, step_parts
from dreamr.studies.verification.step_verdicts import thresholds, unread, verification

__all__ = [
    "calibration",
    "reading_curves",
    "readings",
    "replacements",
    "roc",
    "step_parts",
    "thresholds",
    "unread",
    "verification",
]
