"""What a client is told instead of an answer: OpenAI's error object, with an HTTP status."""

from itertools import pairwise
from typing import Any

from pydantic import ValidationError

# Kinds of parts and of messages: behind a place in a list, they are no field.
KINDS = ("text", "image_url", "system", "developer", "user", "assistant")
TYPES = {429: "requests"}  # what is limited, in OpenAI's words


class Failure(Exception):
    """A request that is not answered: HTTP `status`, words, the field that they are about, and OpenAI's `code`."""

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str | None = None, **headers: str
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.headers = status, message, param, code, headers

    @property
    def body(self) -> dict[str, Any]:
        """The error object, as clients of that API read it."""
        usual = "invalid_request_error" if self.status < 500 else "server_error"
        kind = TYPES.get(self.status, usual)
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def of_validation(error: ValidationError) -> Failure:
    """The first thing that is wrong with a request, by field, value and what is allowed."""
    problem = error.errors(include_url=False, include_input=False)[0]
    loc = ("", *problem["loc"])
    field = ".".join(str(name) for before, name in pairwise(loc) if not (isinstance(before, int) and name in KINDS))
    if problem["type"] == "extra_forbidden":
        return Failure(400, f"{field}: is not served here", field)
    return Failure(400, f"{field}: {problem['msg']}" if field else problem["msg"], field or None)
