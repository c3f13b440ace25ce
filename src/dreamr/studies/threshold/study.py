"""Thresholds with a guarantee: what was certified, what speed is left, and whether it holds on the benchmarks."""

from dreamr.report.sections import table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Which alpha keeps the accuracy, and how sure is that?",
    takes="a method whose alpha is a guarantee",
    ran=table("guarantee"),
    chapter="accuracy",
    order=6,
    tables={"summarise": ("certificates", "guarantee")},
    kept={"certificates": (), "guarantee": ()},
)
