"""How work ends that cannot go on, for whoever has to know: a user, or the command around it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """Why work ended."""

    text: str  # one sentence, the same words wherever the same thing happened
    certain: bool = False  # another try would end the same way
    stopped: bool = False  # from outside, so that nothing is to be mended
    log: str | None = None  # a file that tells more than the job's own log
    remedy: str = "see the log, then run the same command again"

    @property
    def words(self) -> str:
        """The sentence, and where more is told."""
        return f"{self.text}; its log: {self.log}" if self.log else self.text


class UserError(Exception):
    """What its message tells a user how to mend, and what no further try would mend.

    `cause` is given where the message names one of several models that may fail for the same reason.
    """

    def __init__(self, message: str = "", cause: Cause | None = None) -> None:
        super().__init__(message)
        self.cause = cause


class Died(RuntimeError):
    """A process that the work needs is gone. `cause` is None where nothing is known beyond the message."""

    def __init__(self, message: str, cause: Cause | None = None) -> None:
        super().__init__(message)
        self.cause = cause

    @property
    def words(self) -> str:
        """The message, and where more is told."""
        return f"{self}; its log: {self.cause.log}" if self.cause and self.cause.log else str(self)


class Interrupted(BaseException):
    """Work that was cut off from outside. It goes on from what is kept, and the message says what that is."""
