"""Whether the paper's numbers, and ours, are within what any schedule can reach."""

from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Are the paper's numbers consistent?",
    behind="rewards",
    order=2,
    tables={"summarise": ("consistency", "regime", "bound")},
)
