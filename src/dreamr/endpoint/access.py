"""Who may ask: those with the key, if there is one, and web pages only where they are allowed to."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

from fastapi import Request

from dreamr.endpoint.failures import Failure

LOCAL = ("localhost", "127.0.0.1", "::1")  # names by which this machine calls itself


@dataclass(frozen=True)
class Access:
    """What a request has to show.

    A browser sends what any page tells it to. So a body has to say that it is JSON, which another site's page cannot
    without leave (CORS) of `origins`; and `hosts`, where they are known, keep out a name that its owner lets point
    here. `api_key` None: none is asked for; `hosts` None: any.
    """

    api_key: str | None = None
    hosts: tuple[str, ...] | None = None
    origins: tuple[str, ...] = ()

    async def check(self, request: Request) -> None:
        """Failure where something is missing or wrong."""
        self._check_host(request.headers.get("host", ""))
        self._check_key(request.headers.get("authorization", ""))
        if request.method == "POST":
            check_json(request.headers.get("content-type", ""))

    def _check_host(self, host: str) -> None:
        if self.hosts is not None and name_of(host) not in self.hosts:
            raise Failure(403, f"Host {host[:60]!r} is not served; there are: {', '.join(self.hosts)}")

    def _check_key(self, header: str) -> None:
        if self.api_key is None:
            return
        scheme, _, given = header.partition(" ")
        right = hmac.compare_digest(given.strip().encode("latin-1"), self.api_key.encode())
        if not (scheme.lower() == "bearer" and right):
            told = "the API key is missing or wrong"
            raise Failure(401, told, None, "invalid_api_key", **{"WWW-Authenticate": "Bearer"})


def name_of(host: str) -> str | None:
    """The name in a Host header, without a port; None where there is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # half an IPv6 address
        return None


def check_json(header: str) -> None:
    """Failure where a body is not said to be JSON."""
    told = Message()
    told["content-type"] = header
    if told.get_content_type() != "application/json":
        raise Failure(415, f"Content-Type {header[:60]!r}: the body has to be application/json")


def hosts_of(host: str, allowed: Sequence[str] = ()) -> tuple[str, ...] | None:
    """The names of a server that listens to `host`: `allowed`, and this machine's own if it listens to it alone.

    None where neither says anything: then any name may be right.
    """
    return (*(LOCAL if host in LOCAL else ()), *allowed) or None
