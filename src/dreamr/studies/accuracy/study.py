"""Accuracy against the target, and what stands beside it: versions, other rules, refused questions."""

from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Is it as accurate on each pair?",
    chapter="accuracy",
    order=1,
    leads=True,
    tables={"summarise": ("accuracy", "versions", "harness", "refusals", "fitting")},
    kept={"accuracy": ("target", "draft")},
    figures={
        "accuracy": "A method whose whole line lies right of the dashed one, the margin, is non-inferior to its "
        "target; right of 0 it is more accurate. Upright marks are single pairs.",
    },
)
