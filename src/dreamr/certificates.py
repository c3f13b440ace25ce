"""What a calibration found: the threshold of one method on one pair, and the tests that it rests on."""

from pathlib import Path

from pydantic import ValidationError

from dreamr.errors import UserError
from dreamr.records import Record


class Trial(Record):
    """One threshold on the calibration problems, as far as its test went."""

    alpha: float
    problems: int  # until it was decided
    lost: int  # of them right for the target alone and wrong for the method
    won: int  # the other way round
    loss: float  # mean accuracy of the target minus that of the method
    p: float  # of a mean loss that is the risk or more
    certified: bool


class Certificate(Record):
    """A method's threshold on a pair. Without one the method is the target alone."""

    method: str
    target: str
    draft: str  # the plain draft of the pair
    drafter: str  # the model that drafts
    replicate: int  # which training of its recipe that is from
    risk: float
    confidence: float
    problems: int  # of a test, at most
    tested: tuple[Trial, ...]  # the strictest threshold first, up to the first that was not certified
    alpha: float | None  # the last certified one; None: the strictest was not certified
    models: dict[str, str]  # digests of the files of target and drafter, for which alone it holds

    @property
    def promise(self) -> dict[str, float | None]:
        """The threshold and what is promised of it."""
        return {"alpha": self.alpha, "risk": self.risk, "confidence": self.confidence}

    def __str__(self) -> str:
        """In a sentence, without a full stop."""
        loses = f"loses less than {100 * self.risk:g} points of accuracy, confidence {self.confidence:g}"
        if self.alpha is not None:
            return f"{self.method} for {self.target}: alpha {self.alpha:g}, {loses}"
        return f"{self.method} for {self.target}: no threshold is certified ({loses}), so it is the target alone"


def read_certificate(path: Path) -> Certificate:
    """The certificate of a file that `dreamr calibrate` wrote; another content is a UserError."""
    try:
        return Certificate.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise UserError(f"{path}: no certificate of a threshold, as dreamr calibrate writes it: {error}") from None
