"""What one small request, or one client that only connects, could do to everybody else: nothing."""

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from endpoints import SIZE, Endpoint, asking, connected, inline, picture, watched, with_image
from PIL import Image

from dreamr.endpoint import bodies, pictures, server
from dreamr.endpoint.bodies import text_bytes
from dreamr.engines.chat import Chat
from dreamr.engines.images import load_image
from dreamr.engines.protocol import EngineDied, Refused
from dreamr.engines.vllm import inputs, remote
from dreamr.engines.vllm.internals import Rendered
from dreamr.prompts import Prompt

pytestmark = pytest.mark.models


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"messages": [{"role": "user", "content": [{}] * 500_000}]}, 413),
        ({"messages": [{"role": "user", "content": [{}] * 300_000}]}, 400),
        ({"messages": [{}] * 300_000}, 400),
        ({"stop": [1] * 300_000}, 400),
        ({"modalities": [1] * 300_000}, 400),
    ],
)
def test_a_body_of_nothing_but_mistakes_is_refused_at_once(changed: dict[str, Any], status: int) -> None:
    body = json.dumps(asking() | changed, separators=(",", ":")).encode()
    with Endpoint(most_bytes=1 << 25) as running, watched(running):
        answer = running.post(body)
        assert answer.status_code == status and len(answer.json()["error"]["message"]) < 200


def test_only_pictures_make_a_body_long() -> None:
    url = inline(picture())
    for body in (b"", b'{"a": "b"}', b'"data:image/png'):
        assert text_bytes(body, 8) == len(body)
    assert text_bytes(json.dumps([url, "text", url]).encode(), 8) == len('[", "text", "]')
    hidden = b'["data:image", ' + b"{}," * 1000 + b'"data:image"]'
    assert text_bytes(hidden, 8) >= 3000
    assert text_bytes(b'"data:image",' * 9, 8) == len(b'",' * 8 + b'"data:image",')


class Words:
    """A tokenizer: a token a word, and slow where it is told to."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.asked = seconds, 0

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        self.asked += 1
        time.sleep(self.seconds)
        return [len(word) for word in text.split()]

    def get_vocab(self) -> dict[str, int]:
        return {"a": 1, "sixteen letters.": 2}

    def apply_chat_template(self, turns: list[dict[str, Any]], **_: Any) -> str:
        return "".join(part["text"] for turn in turns for part in turn["content"] if part["type"] == "text")


def reading(words: Words, context: int = 1000) -> inputs.Inputs:
    """How an engine reads, without the engine."""

    async def rendered(ids: list[int], images: list[Image.Image]) -> Rendered:
        return Rendered(ids)

    vllm: Any = SimpleNamespace(rendered=rendered)
    settings: Any = SimpleNamespace(images=SIZE, context_tokens=context)
    return inputs.Inputs(vllm, Chat(words), inputs.Vocabulary(words, "big"), settings)


def test_text_that_cannot_fit_is_refused_unread() -> None:
    words = Words()
    ours = reading(words, context=1000)
    fits, too_long = Prompt("x" * (16 * 1000 - 1), ()), Prompt("x" * (16 * 1000), ())
    assert asyncio.run(ours.tokens(fits)) == [16 * 1000 - 1] and words.asked == 1
    with pytest.raises(Refused, match=r"context_tokens \(1000\) is full, .* takes at least 1000"):
        asyncio.run(reading(words, context=1000).tokens(too_long))
    assert words.asked == 1


def test_everybody_else_is_served_while_a_text_is_read_and_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = inputs.load_image
    monkeypatch.setattr(inputs, "load_image", lambda *given: (time.sleep(0.6), whole(*given))[1])
    (tmp_path / "image.png").write_bytes(picture())

    async def longest_gap() -> float:
        gaps, last = [0.0], time.perf_counter()
        prompt = Prompt("<image> How many?", (str(tmp_path / "image.png"),))
        task = asyncio.create_task(reading(Words(0.6)).tokens(prompt))
        while not task.done():
            await asyncio.sleep(0.01)
            gaps.append(time.perf_counter() - last)
            last += gaps[-1]
        assert await task and len(gaps) > 10
        return max(gaps)

    assert asyncio.run(longest_gap()) < 0.5


def test_what_is_kept_of_questions_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    words = Words()
    ours = reading(words, context=10**6)
    texts = [f"{number} " * 10_000 for number in range(10)]
    monkeypatch.setattr(inputs, "KEPT_BYTES", 4 * (len(texts[0]) + Rendered([1] * 10_000).size))

    async def asked_again() -> list[int]:
        for text in texts:
            await ours.tokens(Prompt(text, ()))
            await ours.tokens(Prompt(texts[0], ()))  # is asked for all the time
        assert words.asked == len(texts)
        words.asked = 0
        found = []
        for text in (texts[0], texts[9], texts[8], texts[1]):
            await ours.tokens(Prompt(text, ()))
            found.append(words.asked)
        return found

    assert asyncio.run(asked_again()) == [0, 0, 0, 1]


def test_images_count_where_bytes_are_bounded() -> None:
    import torch

    none, one = Rendered([1]).size, Rendered([1], ({"pixel_values": torch.zeros(1000)},)).size
    assert one == none + 4000


def test_what_is_refused_is_not_kept() -> None:
    ours = reading(Words(), context=1)
    for number in range(3):
        with pytest.raises(Refused):
            asyncio.run(ours.tokens(Prompt(f"{number}" * 20, ())))
    assert not ours._openings


@pytest.fixture
def decoding(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """When each image was decoded; that takes 0.1 s, in which nobody can stop it."""
    begun: list[float] = []

    def slowly(*given: Any) -> Image.Image:
        begun.append(time.perf_counter())
        time.sleep(0.1)
        return whole(*given)

    whole = pictures.load_image
    monkeypatch.setattr(pictures, "load_image", slowly)
    yield begun


def shown(*contents: bytes) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": inline(content)}} for content in contents]
    return asking() | {"messages": [{"role": "user", "content": parts}]}


def test_images_are_counted_before_one_is_decoded(decoding: list[float]) -> None:
    with Endpoint() as running:
        answer = running.post(shown(*[picture()] * 9))
        assert answer.status_code == 400 and "9 images; at most 8" in answer.json()["error"]["message"]
    assert not decoding


def test_images_are_decoded_once_their_question_has_a_place(decoding: list[float]) -> None:
    with Endpoint(delay=0.05, concurrency=1) as running:
        ended: list[float] = []
        first = threading.Thread(target=lambda: (running.post(asking()), ended.append(time.perf_counter())))
        first.start()
        running.wait(lambda: not running.idle)
        with watched(running):
            assert running.post(shown(picture())).status_code == 200
        first.join()
        assert decoding[0] > ended[0] - 0.05, "the first answer had ended, or was on its way to its client"


def test_who_left_holds_up_nobody(decoding: list[float]) -> None:
    with Endpoint(concurrency=8) as running, watched(running):
        for _ in range(6):
            opened = connected(running, json.dumps(shown(*[picture()] * 8)).encode())
            time.sleep(0.02)
            opened.close()
        begun = time.perf_counter()
        assert running.post(shown(picture())).status_code == 200
        assert time.perf_counter() - begun < 1.2, "of 48 images of 0.1 s, two at once"
    assert len(decoding) < 20


def test_an_image_has_one_path_by_its_content_while_somebody_needs_it() -> None:
    async def paths() -> None:
        async with ours.stored([inline(picture()), inline(picture(9))]) as first:
            async with ours.stored([inline(picture(9))]) as second:
                assert second == first[1:]
            assert [Image.open(path).size[0] >= 28 for path in first] == [True, True]
        assert not any(Path(path).exists() for path in first)

    ours = pictures.Pictures(SIZE, None, 1000, 1000)
    asyncio.run(paths())


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "GIF"), ("I;16", "PNG")]
)
@pytest.mark.parametrize("size", [(700, 300), (90, 80), (5, 9)])
def test_engines_read_the_pixels_of_the_original(tmp_path: Path, mode: str, kind: str, size: tuple[int, int]) -> None:
    gradient = Image.linear_gradient("L").resize(size)
    whole = Image.merge("RGBA", [gradient, gradient.rotate(180), gradient, gradient])
    image = (
        gradient.convert(mode) if mode == "I;16" else whole if mode == "RGBA" else whole.convert("RGB").convert(mode)
    )
    image.save(tmp_path / "own", kind)

    async def stored() -> Image.Image:
        async with ours.stored([inline((tmp_path / "own").read_bytes())]) as (path,):
            return load_image(path, SIZE)

    ours = pictures.Pictures(SIZE, None, 1 << 20, 1 << 20)
    read, own = asyncio.run(stored()), load_image(tmp_path / "own", SIZE)
    assert read.mode == own.mode == "RGB" and read.size == own.size and read.tobytes() == own.tobytes()


@contextmanager
def several(running: Endpoint, number: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(connected(running)) for _ in range(number)]


def is_closed(one: socket.socket) -> bool:
    """Whether the other side has closed it by now."""
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_connections_without_a_request_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 20)
    with Endpoint() as running, several(running, 60) as idle, watched(running):
        assert running.post(asking()).status_code == 200
        assert [is_closed(one) for one in idle[:40]] == [True] * 40
        assert not any(is_closed(one) for one in idle[-10:])


def test_a_request_has_to_come_in_time_and_its_answer_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.4)
    with Endpoint(delay=0.1) as running, several(running, 2) as (idle, dribbling):
        begun = time.perf_counter()
        answers: list[Any] = []
        asked = threading.Thread(target=lambda: answers.append(running.post(asking())))
        asked.start()
        dribbling.sendall(b"GET /health HTTP/1.1\r\n")
        while time.perf_counter() - begun < 0.6:
            time.sleep(0.1)
        assert is_closed(idle) and is_closed(dribbling)
        asked.join()
        assert answers[0].status_code == 200 and time.perf_counter() - begun > 0.8


def test_a_head_without_end_is_refused() -> None:
    with Endpoint() as running, watched(running), connected(running) as one, pytest.raises(ConnectionError):
        one.sendall(b"GET /health HTTP/1.1\r\nX: ")
        for _ in range(150):
            one.sendall(b"a" * 1_000_000)


def test_a_body_is_refused_by_the_length_that_it_announces() -> None:
    with Endpoint() as running, connected(running, promised=1 << 40) as one:
        assert b" 413 " in one.recv(100)


def test_a_body_has_to_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.3)
    with Endpoint() as running, connected(running, b'{"model', 100) as one:
        assert b" 408 " in one.recv(100)


def test_bodies_on_their_way_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "AT_ONCE", 1)
    half = inline(bytes(400_000)).encode()
    with Endpoint() as running:
        with connected(running, half, 1 << 20):
            running.wait(lambda: running.bodies.held == len(half))
            with connected(running, half, 1 << 20) as second:
                assert b" 503 " in second.recv(100)
        running.wait(lambda: running.bodies.held == 0)
        assert running.post(asking("x" * 500_000)).status_code == 200


class Bare(remote.RemoteVllm):
    """A remote engine without a model."""

    def _start(self, configuration: Any) -> None:
        pass


def test_a_remote_engine_that_says_nothing_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "LOOK_SECONDS", 0.2)
    silent = socket.create_server(("127.0.0.1", 0))
    engine: Any = Bare(None, "big", None, f"http://127.0.0.1:{silent.getsockname()[1]}")  # type: ignore[arg-type]

    async def connect() -> None:
        with engine.alive():
            await engine.ready()

    with silent, pytest.raises(EngineDied, match=r"does not say in 0.2 s how it is"):
        asyncio.run(connect())


def test_local_files_are_regular_and_small(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(1 << 30)
    with Endpoint(allowed=tmp_path) as running, watched(running):
        for name, told in (("pipe", "no such file"), ("loop", "no such file"), ("sparse", "more than 1,048,576 bytes")):
            answer = running.post(with_image(f"file://{tmp_path}/{name}.png"))
            assert answer.status_code == 400 and told in answer.json()["error"]["message"], name
