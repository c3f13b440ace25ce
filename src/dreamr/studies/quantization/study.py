"""Quantization: each quantized target beside the model that it was made from."""

from dreamr.report.sections import table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="What does quantization change?",
    takes="a method on a quantized target and on the model that it was made from",
    ran=table("quantization"),
    chapter="appendix",
    order=4,
    tables={"summarise": ("quantization",)},
)
