"""Images of requests, as files for the engines: from data URLs and, where that is allowed, from one folder.

Nothing is ever fetched. What is too large is refused by its header, before a pixel is decoded. Images are decoded here,
a few at once, and made as small as the engines read them: what they open costs them little.
"""

import asyncio
import base64
import binascii
import hashlib
import os
import stat
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import unquote

from PIL import Image

from dreamr.config import ImageSize
from dreamr.endpoint.failures import Failure
from dreamr.engines.images import load_image

T = TypeVar("T")

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
LOCAL = "file://"
SHOWN = 60  # characters of a URL in an error
DECODERS = 2  # images that are decoded at once: each may take some hundred MB meanwhile (our decision)


class Pictures:
    """Where images may come from, how large they may be, and the size that the engines read.

    `allowed` is the folder below which files may be named. Images are kept while a question needs them, under a path
    that depends on their content alone: so engines know one that they have seen.
    """

    def __init__(self, size: ImageSize, allowed: Path | None, most_pixels: int, most_bytes: int) -> None:
        self._size, self._allowed, self.most_pixels, self._most_bytes = size, allowed, most_pixels, most_bytes
        self._pool = ThreadPoolExecutor(DECODERS, "pictures")
        self._folder = TemporaryDirectory(prefix="images-")
        self._users: Counter[Path] = Counter()

    @asynccontextmanager
    async def stored(self, urls: Sequence[str]) -> AsyncIterator[tuple[str, ...]]:
        """Paths of the images until the block is left."""
        paths: list[Path] = []
        try:
            for url in urls:
                content, path = await self._in_pool(partial(self._content, url))
                paths.append(path)
                self._users[path] += 1
                await self._in_pool(partial(self._store, content, path))
            yield tuple(map(str, paths))
        finally:
            for path in paths:
                self._release(path)

    async def _in_pool(self, work: Callable[[], T]) -> T:
        """What `work` gives. If nobody waits for it any more it is not begun; a thread that has begun has to end."""
        running = self._pool.submit(work)
        try:
            return await asyncio.shield(asyncio.wrap_future(running))
        except asyncio.CancelledError:
            if not running.cancel():
                await asyncio.wait([asyncio.wrap_future(running)])
            raise

    def _content(self, url: str) -> tuple[bytes, Path]:
        content = self._local(url) if url.startswith(LOCAL) else _inline(url)
        return content, Path(self._folder.name, hashlib.sha256(content).hexdigest())

    def _store(self, content: bytes, path: Path) -> None:
        """Write the image without loss. Several may do so at once: each writes a whole file."""
        with TemporaryDirectory(dir=self._folder.name) as own:
            written = Path(own, "image")
            written.write_bytes(content)
            with self._readable():
                self._check_size(written)
                load_image(written, self._size).save(written, "BMP")
            written.replace(path)

    def _release(self, path: Path) -> None:
        self._users[path] -= 1
        if not self._users[path]:
            del self._users[path]
            path.unlink(missing_ok=True)

    def _local(self, url: str) -> bytes:
        """The content of a file of the allowed folder; every other file is refused in the same words."""
        if self._allowed is None:
            raise Failure(400, "image_url: local files are not served here; send a data URL", "image_url")
        try:
            found = Path(os.path.realpath(unquote(url.removeprefix(LOCAL)), strict=True))
            found.relative_to(self._allowed.resolve())
            return self._read(found)
        except (OSError, ValueError) as error:  # no file, no name of one, none of the folder's
            told = f"no such file in the folder that is served: {url[:SHOWN]!r}"
            raise Failure(400, f"image_url: {told}", "image_url") from error

    def _read(self, path: Path) -> bytes:
        """A regular file's content: a pipe could be waited for without end."""
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ValueError("not a regular file")
            if found.st_size > self._most_bytes:
                raise Failure(400, f"image_url: the file has more than {self._most_bytes:,} bytes", "image_url")
            return file.read(self._most_bytes)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except Image.DecompressionBombError as error:  # Pillow's own bound, far above any sensible one of ours
            raise self._too_large() from error
        except (OSError, SyntaxError, ValueError) as error:
            raise Failure(400, f"image_url: no readable image ({', '.join(FORMATS)})", "image_url") from error

    def _check_size(self, path: Path) -> None:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > self.most_pixels:
                raise self._too_large()

    def _too_large(self) -> Failure:
        return Failure(400, f"image_url: an image has more than {self.most_pixels:,} pixels", "image_url")


def _inline(url: str) -> bytes:
    """The content of a data URL."""
    head, comma, data = url.partition(",")
    if not (head.startswith("data:image/") and head.endswith(";base64") and comma):
        raise Failure(
            400,
            f"image_url: {url[:SHOWN]!r} is no data URL of an image in base64, and no other is fetched",
            "image_url",
        )
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise Failure(400, f"image_url: the base64 of the data URL is broken ({error})", "image_url") from error
