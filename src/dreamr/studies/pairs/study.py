"""Each pair in numbers: what decides how much there is to gain."""

from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="The pairs in numbers",
    chapter="time",
    order=5,
    tables={"summarise": ("pairs", "regime")},
)
