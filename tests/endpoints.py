"""A server of the endpoint in a thread of the test, on engines that follow a script."""

import base64
import io
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from scripted import ScriptedEngine

from dreamr.config import ImageSize, Method, Sampling
from dreamr.engines.protocol import EngineDied, Generation, Meter
from dreamr.methods.protocol import Engines, Limits
from dreamr.prompts import Prompt

LIMITS = Limits(40, 240)
SAMPLING = Sampling(temperature=0, top_p=1, top_k=-1, seed=0, step_tokens=40, answer_tokens=240, concurrency=16)
QUICK = 0.5  # seconds; an idle server answers in 0.01, and what froze it took from 9 to 31
SIZE = ImageSize(min_pixels=28 * 28, max_pixels=256 * 256)
METHODS = {
    "dreamr": Method(loop="fpsr", verifier="cpn", alpha=0.7, window=4, target_speculation="all", continues=True),
    "specreason": Method(loop="specreason", verifier="cpn", alpha=0.7),
    "target-only": Method(loop="target_only"),
    "twice": Method(loop="target_only", budget=2),
}

PROMISES = {"dreamr": {"alpha": 0.7, "risk": 0.03, "confidence": 0.95}}


class Counted(ScriptedEngine):
    """Knows how many of its requests are under way, and dies when it is told to."""

    def __init__(self, name: str, delay: float) -> None:
        super().__init__(name, delay)
        self.active, self.dead = 0, False
        self.last: Prompt | None = None

    async def generate(self, prompt: Prompt, *, stop: str, max_tokens: int, meter: Meter) -> Generation:
        self.last = prompt
        with self._alive():
            return await super().generate(prompt, stop=stop, max_tokens=max_tokens, meter=meter)

    async def keyword_logprobs(self, prompt: Prompt, keywords: tuple[str, ...]) -> tuple[float, ...]:
        with self._alive():
            return await super().keyword_logprobs(prompt, keywords)

    @contextmanager
    def _alive(self) -> Iterator[None]:
        if self.dead:
            raise EngineDied(f"the engine of {self.name} died")
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1


class Endpoint:
    """A server in a thread of its own."""

    def __init__(self, delay: float = 0.0, allowed: Path | None = None, **bounds: Any) -> None:
        from dreamr.endpoint.access import Access
        from dreamr.endpoint.app import app
        from dreamr.endpoint.bodies import Bodies
        from dreamr.endpoint.pictures import Pictures
        from dreamr.endpoint.server import server
        from dreamr.endpoint.service import Served, Service

        self.target, self.draft = Counted("big", delay), Counted("small", delay)
        engines = Engines(target=self.target, draft=self.draft)
        thinks = bounds.get("thinks", False)
        served = {
            name: Served(method, engines, self.target, thinks, PROMISES.get(name)) for name, method in METHODS.items()
        }
        self.service = Service(served, SAMPLING, LIMITS, bounds.get("concurrency", 4), bounds.get("queue", 4))
        most_bytes = bounds.get("most_bytes", 1 << 20)
        pictures = Pictures(SIZE, allowed, bounds.get("most_pixels", 10_000), most_bytes)
        self.bodies = Bodies(most_bytes, 1 << 20, 8)
        routes = app(self.service, pictures, self.bodies, bounds.get("access", Access()))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._server = server(routes, log_level="error")
        self._thread = threading.Thread(target=self._server.run, args=([self._listening],))

    def __enter__(self) -> "Endpoint":
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._listening.close()
        assert not self._thread.is_alive(), "the server ends when it is told to"

    def client(self, key: str = "none") -> Any:
        from openai import OpenAI

        return OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0)

    def post(self, body: Any, **headers: str) -> Any:
        import httpx

        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"} | headers
        return httpx.post(f"{self.url}/v1/chat/completions", content=content, headers=headers, timeout=30)

    def get(self, path: str, **headers: str) -> Any:
        import httpx

        return httpx.get(self.url + path, headers=headers)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it holds; an AssertionError if it does not within seconds."""
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.01)

    def metrics(self) -> dict[str, float]:
        """What is counted, by name and labels."""
        lines = (line.rsplit(" ", 1) for line in self.get("/metrics").text.splitlines() if not line.startswith("#"))
        return {name.removeprefix("dreamr_"): float(value) for name, value in lines}

    @property
    def idle(self) -> bool:
        return self.target.active == self.draft.active == 0


@contextmanager
def watched(running: Endpoint) -> Iterator[None]:
    """Fails unless /health answers quickly throughout the block."""
    ended = threading.Event()

    def slowest() -> float:
        taken = [0.0]
        while not ended.wait(0.02):
            begun = time.perf_counter()
            with urllib.request.urlopen(f"{running.url}/health", timeout=60) as answer:
                answer.read()
            taken.append(time.perf_counter() - begun)
        return max(taken)

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(slowest)
        try:
            yield
        finally:
            ended.set()
        assert found.result() < QUICK, f"/health took {found.result():.2f} s"


def connected(running: Endpoint, body: bytes = b"", promised: int | None = None) -> socket.socket:
    """A connection; with a body a request, of as many bytes as are promised."""
    host, port = running.url.removeprefix("http://").split(":")
    made = socket.create_connection((host, int(port)), timeout=10)
    if body or promised:
        length = len(body) if promised is None else promised
        head = ["POST /v1/chat/completions HTTP/1.1", "Host: x", "Content-Type: application/json"]
        made.sendall("\r\n".join([*head, f"Content-Length: {length}", "", ""]).encode() + body)
    return made


def asking(text: str = "How many?", **more: Any) -> dict[str, Any]:
    return {"model": "dreamr", "messages": [{"role": "user", "content": text}], **more}


def picture(width: int = 8, height: int = 8, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(file, kind)
    return file.getvalue()


def inline(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def with_image(url: str, **more: Any) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is it?"}]
    return asking() | {"messages": [{"role": "user", "content": parts}]} | more
