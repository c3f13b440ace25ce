"""How good verdicts must be: accuracy over the two error rates of a verifier."""

from dreamr.report.sections import GENERATED, table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="How good must verdicts be?",
    takes=f"{GENERATED}, and methods with verifier: oracle",
    ran=table("dose"),
    chapter="verifier",
    order=3,
    tables={"verify": ("dose",)},
    figures={
        "dose": "Left of and below the dashed contour, the margin, the two error rates of a verifier cost no more "
        "accuracy than is allowed; marks are real verifiers at their measured rates."
    },
)
