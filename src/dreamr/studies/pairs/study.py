"""Each pair in numbers: what decides how much there is to gain."""

from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="The pairs in numbers",
    chapter="speed",
    order=5,
    tables={"summarise": ("pairs", "regime")},
)
