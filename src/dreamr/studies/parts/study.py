"""Parts of the questions: where a method's accuracy differs from the target's."""

from dreamr.report.sections import of_reference
from dreamr.studies.catalogue import Study

STUDY = Study(
    heading="Parts of the questions",
    takes="dreamr",
    ran=of_reference("explained"),
    inside="explained",
    chapter="accuracy",
    order=5,
    tables={"summarise": ("explained",)},
)
