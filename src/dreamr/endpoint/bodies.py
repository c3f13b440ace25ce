"""Bodies of requests: read whole, within bounds on their bytes and on the time that they take.

What makes a body long is its pictures. All the rest is text and structure, which costs far more to take apart, so it
has a bound of its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request

from dreamr.endpoint.failures import Failure

PATIENCE = 30.0  # seconds in which a body has to be there (our decision)
AT_ONCE = 8  # bodies of the largest size, or more smaller ones, that are held at once (our decision)
RETRY = {"Retry-After": "1"}


@dataclass
class Bodies:
    """Reads bodies of at most `most_bytes`, of which `most_text` are no picture; at most `most_pictures` are."""

    most_bytes: int
    most_text: int
    most_pictures: int
    held: int = 0  # bytes of all bodies whose requests are under way

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytearray]:
        """The body of a request, held until the block is left."""
        if int(request.headers.get("content-length", 0)) > self.most_bytes:
            raise self._too_long()
        body = bytearray()
        try:
            await self._fill(body, request)
            if text_bytes(body, self.most_pictures) > self.most_text:
                raise Failure(413, f"the request has more than {self.most_text:,} bytes beside its pictures")
            yield body
        finally:
            self.held -= len(body)

    async def _fill(self, body: bytearray, request: Request) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                async for part in request.stream():
                    body += part
                    self.held += len(part)
                    if len(body) > self.most_bytes:
                        raise self._too_long()
                    if self.held > AT_ONCE * self.most_bytes:
                        raise Failure(503, "too many large requests are under way; try again", **RETRY)
        except TimeoutError:
            raise Failure(408, f"the request was not whole after {PATIENCE:g} seconds") from None

    def _too_long(self) -> Failure:
        return Failure(413, f"the request has more than {self.most_bytes:,} bytes")


def text_bytes(body: bytes | bytearray, most_pictures: int) -> int:
    """Bytes of a body outside of its first data URLs of images.

    What stands between `"data:image` and the next quotation mark is part of one string, or not JSON at all: no
    structure can hide there.
    """
    found, end = len(body), -1
    for _ in range(most_pictures):
        start = body.find(b'"data:image', end + 1)
        end = body.find(b'"', start + 1)
        if start < 0 or end < 0:
            break
        found -= end - start
    return found
