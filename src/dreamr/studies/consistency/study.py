"""Whether the paper's numbers, and ours, are within what any schedule can reach."""

from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Do the numbers in our sources fit together?",
    chapter="appendix",
    order=5,
    tables={"summarise": ("consistency", "decoding", "bound")},
)
