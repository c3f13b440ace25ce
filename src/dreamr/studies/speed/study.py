"""Speed over the target alone, and its factors: tokens, delegation, starts, parallel work; device time."""

from dreamr.report.sections import TIMED, Section, table
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="How fast is each method on each pair?",
    takes=TIMED,
    ran=table("speed"),
    chapter="speed",
    order=1,
    leads=True,
    parts={
        "tokens": Section(
            "Is it fewer tokens, or less time a token? And per device?",
            TIMED,
            table("speed"),
            chapter="speed",
            order=4,
            folder="speed",
        ),
        "threads": Section(
            "The target alone on two threads",
            "the method target_only_two_threads, on a CPU",
            table("speed", method="target_only_two_threads"),
            inside="tokens",
            chapter="speed",
            order=4,
        ),
    },
    tables={"summarise": ("speed", "split", "background")},
    kept={"speed": ("target", "draft"), "background": ()},
    figures={
        "speed": "Right of 1 is faster than the target alone. Points are all pairs together, upright marks single "
        "pairs. From DREAM-R-NS to DREAM-R is what SAPO's training brings.",
        "split": "To the right of 1 stands what makes a method faster, to the left what makes it slower; the point "
        "is the product of all, the speed-up.",
    },
)
