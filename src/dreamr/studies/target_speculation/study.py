"""What the target writes ahead of a verdict: computed by `dreamr simulate`, and measured where it was run."""

from dreamr.report.sections import Section, figure, table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Which overlap pays?",
    chapter="speed",
    order=6,
    parts={
        "arms": Section(
            "Every combination of target speculation and writing on",
            "methods that differ from dreamr in target_speculation and continues",
            figure("target-speculation-measured"),
            inside="target_speculation",
        ),
        "published": Section(
            "Lookahead Reasoning at its published depth",
            "the method lookahead_published",
            table("speed", method="lookahead_published"),
            inside="target_speculation",
        ),
    },
    tables={"summarise": ("arms",)},
    figures={
        "target_speculation": "Above 1 the target's own versions of undecided steps pay; computed, not measured, for "
        "the fully parallel schedule and its variants over the pipelined one.",
        "target-speculation-measured": "All settings commit the same text, on the same questions. A line that stays on "
        "one side of 1 is faster or slower than the reference; more tokens of the target are work thrown away.",
    },
)
