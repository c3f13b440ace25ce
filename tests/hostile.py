"""Requests that mean no good, or that go wrong on their way: what an endpoint has to live with."""

import asyncio
import base64
import json
import random
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

PATHS = ("/etc/passwd", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/shadow", "//host/share", "", "/\0", "/" + "a" * 5000)
VALUES: tuple[Any, ...] = (None, 0, -1, 1e308, "", "x", [], {}, [[]], {"a": {}}, True, "\ud83d", "\0" * 10)
FIELDS = ("model", "messages", "stream", "max_tokens", "temperature", "n", "tools", "stop", "stream_options", "other")


def chat(content: Any = "How many?", **more: Any) -> dict[str, Any]:
    return {"model": "dreamr", "messages": [{"role": "user", "content": content}], **more}


def bomb(side: int) -> str:
    """A PNG whose header says `side` x `side` pixels, and that has a few bytes."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = (
        b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", zlib.compress(bytes(1000))) + block(b"IEND", b"")
    )
    return "data:image/png;base64," + base64.b64encode(content).decode()


def picture(url: str) -> dict[str, Any]:
    return chat([{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is it?"}])


def broken_json(draw: random.Random) -> bytes:
    whole = json.dumps(chat()).encode()
    return draw.choice([whole[: draw.randrange(len(whole))], draw.randbytes(200), b"[" * 50_000, b'{"a":' * 20_000])


def wrong_types(draw: random.Random) -> bytes:
    return json.dumps(chat() | {draw.choice(FIELDS): draw.choice(VALUES)}).encode()


def bad_pictures(draw: random.Random) -> bytes:
    urls = [
        bomb(60_000),
        "file://" + draw.choice(PATHS),
        "http://127.0.0.1:1/a.png",
        "data:image/png;base64," + "A" * 500_000,
    ]
    return json.dumps(picture(draw.choice(urls))).encode()


async def sent(
    url: str, body: bytes, *, promised: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request under way, with `promised` bytes in its head."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    length = len(body) if promised is None else promised
    head = ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    head += [f"Content-Length: {length}", "Connection: close"]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    return reader, writer


async def status(reader: asyncio.StreamReader) -> str:
    line = await asyncio.wait_for(reader.readline(), 60)
    return line.split()[1].decode() if line else "closed"


async def answered(url: str, body: bytes) -> str:
    """The status of a request that is sent whole."""
    reader, writer = await sent(url, body)
    try:
        found = await status(reader)
        await reader.read()
        return found
    except ConnectionError:
        return "closed"
    finally:
        writer.close()


async def cut_off(url: str, draw: random.Random) -> str:
    """Half a body, and then nothing."""
    body = json.dumps(chat()).encode()
    _, writer = await sent(url, body[: draw.randrange(len(body))], promised=len(body))
    await asyncio.sleep(draw.random() * 0.05)
    writer.close()
    return "gone"


async def slow_reader(url: str, draw: random.Random) -> str:
    """Reads a stream byte by byte, and loses interest."""
    reader, writer = await sent(url, json.dumps(chat(stream=True)).encode())
    found = await status(reader)
    for _ in range(draw.randrange(20)):
        await reader.read(1)
        await asyncio.sleep(0.01)
    writer.close()
    return found


async def disconnect(url: str, draw: random.Random) -> str:
    """Asks, and goes at any moment."""
    _, writer = await sent(url, json.dumps(chat(stream=draw.random() < 0.5)).encode())
    await asyncio.sleep(draw.random() * 0.5)
    writer.transport.abort()
    return "gone"


def whole(body: Callable[[random.Random], bytes]) -> Callable[[str, random.Random], Any]:
    return lambda url, draw: answered(url, body(draw))


KINDS = {  # of 200
    "broken JSON": (whole(broken_json), 30),
    "wrong types": (whole(wrong_types), 50),
    "bad pictures": (whole(bad_pictures), 30),
    "cut off": (cut_off, 20),
    "slow readers": (slow_reader, 20),
    "disconnects": (disconnect, 50),
}


async def attack(url: str, seed: int = 0, at_once: int = 8) -> dict[str, Counter[str]]:
    """All kinds, mixed, `at_once` of them under way; the statuses of each kind."""
    draw = random.Random(seed)
    order = [name for name, (_, number) in KINDS.items() for _ in range(number)]
    draw.shuffle(order)
    found: dict[str, Counter[str]] = {name: Counter() for name in KINDS}
    places = asyncio.Semaphore(at_once)

    async def one(name: str, own: random.Random) -> None:
        async with places:
            found[name][await KINDS[name][0](url, own)] += 1

    await asyncio.gather(*(one(name, random.Random(draw.random())) for name in order))
    return found
