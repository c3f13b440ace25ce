"""Is it worth judging steps? Speculation on tokens, and one verdict on the whole answer, on the same questions."""

from dreamr.report.sections import table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Is it worth judging steps, and not tokens or answers?",
    takes="a method that speculates on tokens with a draft, or judges whole answers",
    ran=table("baselines"),
    chapter="speed",
    order=11,
    tables={"summarise": ("baselines", "baseline_contrasts")},
    kept={"baselines": (), "baseline_contrasts": ("benchmark",)},
    figures={
        "baselines": "Further right is faster, higher is more accurate. What speculates on tokens stands at the "
        "target's own accuracy. A line joins one kind with the same draft.",
    },
)
