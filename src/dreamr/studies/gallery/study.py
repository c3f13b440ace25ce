"""The worst verdicts of each pair, to be judged by eye."""

from dreamr.report.sections import GENERATED, Made
from dreamr.studies.catalogue import Study


def looked_for(made: Made) -> bool:
    """Whether verdicts were judged; there may be no bad one among them."""
    return "gallery" in made.tables


STUDY = Study(
    heading="Which verdicts went wrong?",
    takes=GENERATED,
    ran=looked_for,
    chapter="verifier",
    order=6,
    tables={"verify": ("gallery.jsonl",)},
)
