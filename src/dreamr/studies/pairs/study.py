"""Each pair in numbers: what decides how much there is to gain."""

from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="What decides how much there is to gain?",
    chapter="speed",
    order=8,
    tables={"summarise": ("pairs", "regime")},
)
