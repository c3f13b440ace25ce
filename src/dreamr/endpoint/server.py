"""The HTTP server below the routes: uvicorn, with bounds on what a connection may cost before a request is there."""

import asyncio
import json
import time
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from dreamr.endpoint.failures import Failure

MOST_CONNECTIONS = 512  # half of the 1,024 files that many systems allow a process (our decision)
MOST_HEAD = 64 << 10  # bytes of a request's line and headers
HEAD_SECONDS = 10.0  # in which they have to be there (our decision)


class BoundedConnection(H11Protocol):
    """A connection that is closed if no request comes on it, at once if there are too many connections.

    Uvicorn has time-outs between two requests only: one that never sends its first, or stops within one, would stay.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()
        held = [
            one for one in self.connections if isinstance(one, BoundedConnection) and not one.transport.is_closing()
        ]
        if len(held) >= MOST_CONNECTIONS:
            idle = (one for one in held if one.is_idle)  # this one at least
            min(idle, key=lambda one: one.since).transport.abort()

    def on_response_complete(self) -> None:
        self._expect_head()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._late:
            self._late.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused as everything is: by the error object."""
        body = json.dumps(Failure(400, msg).body).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
        for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _expect_head(self) -> None:
        self.since = time.perf_counter()
        if self._late:
            self._late.cancel()
        self._late = self.loop.call_later(HEAD_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.is_idle:
            self.transport.close()


def server(routes: FastAPI, **settings: Any) -> uvicorn.Server:
    """A server of `routes`; `settings` are uvicorn's own, such as host and port."""
    return uvicorn.Server(
        uvicorn.Config(
            routes,
            http=BoundedConnection,
            ws="none",
            limit_concurrency=2 * MOST_CONNECTIONS,  # not reached: ours comes first, and makes room
            h11_max_incomplete_event_size=MOST_HEAD,
            **settings,
        )
    )
