"""Speed as a function of acceptance, by dice; and what a verdict on several steps changes."""

from dreamr.report.sections import TIMED, Section, table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="How fast is each schedule at a given acceptance?",
    takes=f"methods with verifier: bernoulli, and {TIMED}",
    ran=table("dice"),
    chapter="speed",
    order=9,
    parts={
        "per_verdict": Section(
            "What does a verdict on several steps change?",
            "methods with steps_per_verdict, and the same method without",
            table("per_verdict"),
            chapter="speed",
            order=10,
            folder="speed_at_acceptance",
        ),
    },
    tables={"summarise": ("dice", "dice_break_even", "dice_contrasts", "per_verdict")},
    kept={"dice": (), "dice_break_even": (), "per_verdict": ()},
    figures={
        "speed-at-acceptance": "Above 1 a schedule is faster than the target alone. Dotted: the closed form at this "
        "run's costs. What lies between a point and its line is what that leaves out: requests that slow each other, "
        "steps and answers of unequal length. The upright line is an acceptance of the paper's.",
        "per-verdict": "To the right, more steps share a verdict. Dotted: the closed form at each point's own "
        "acceptance. Where dice decide, acceptance is set, so that only the cost of verdicts changes.",
    },
)
