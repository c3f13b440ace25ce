"""CPN under the lens: the target's verdicts against the micro world's step oracle."""

from dreamr.report.sections import GENERATED, Section, table
from dreamr.studies.catalogue import Study

STEPS = ("verification", "thresholds", "roc", "calibration", "step_parts", "replacements", "unread")

STUDY = Study(
    heading="How well do verdicts tell right steps from wrong ones?",
    takes=GENERATED,
    ran=table("verification"),
    chapter="verifier",
    order=1,
    leads=True,
    parts={
        "readings": Section(
            "Which reading of a verdict lets fewer wrong steps pass?",
            f"{GENERATED}, and methods with cpn and with score that have the same draft",
            table("readings"),
            chapter="verifier",
            order=7,
            folder="verification",
        ),
    },
    tables={"verify": (*STEPS, "readings", "reading_curves")},
    figures={
        "calibration": "On the dotted line a verdict is as sure as it is right; where a curve lies below, fewer steps "
        "are right than the verdict says (SpecReason's score is divided by nine).",
        "roc": "The nearer a curve comes to the upper left corner, the better its verdicts tell right steps from wrong "
        "ones; points are CPN's thresholds alpha, dashed is SpecReason's mean digit.",
        "readings": "Points are the thresholds that reject as many right steps as CPN does, matched on the other half "
        "of the problems. The further left a point, the fewer wrong steps pass.",
        "claims": "The further right, the more of the wrong steps of that kind the target lets pass, though all before "
        "them is right.",
    },
)
