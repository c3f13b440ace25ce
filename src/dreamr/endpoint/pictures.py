"""Images of requests, as files for the engines: from data URLs and, where that is allowed, from one folder.

Nothing is ever fetched. What is too large is refused by its header, before a pixel is decoded.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

from PIL import Image

from dreamr.endpoint.failures import Failure

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
LOCAL = "file://"
SHOWN = 60  # characters of a URL in an error


@dataclass(frozen=True)
class Pictures:
    """Where images may come from, and how large they may be."""

    allowed: Path | None = None  # the folder below which files may be named
    most_pixels: int = 1 << 25

    @contextmanager
    def stored(self, urls: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Paths of the images while a question is answered, each named by its content."""
        with TemporaryDirectory(prefix="images-") as folder:
            yield tuple(self._stored(url, Path(folder)) for url in urls)

    def _stored(self, url: str, folder: Path) -> str:
        content = self._local(url) if url.startswith(LOCAL) else _inline(url)
        path = folder / hashlib.sha256(content).hexdigest()
        path.write_bytes(content)
        self._check(path)
        return str(path)

    def _local(self, url: str) -> bytes:
        """The content of a file of the allowed folder; every other file is refused in the same words."""
        if self.allowed is None:
            raise Failure(400, "image_url: local files are not served here; send a data URL", "image_url")
        try:
            found = Path(unquote(url.removeprefix(LOCAL))).resolve(strict=True)
            found.relative_to(self.allowed.resolve())
            return found.read_bytes()
        except (OSError, ValueError) as error:  # no file, no name of one, none of the folder's
            told = f"no such file in the folder that is served: {url[:SHOWN]!r}"
            raise Failure(400, f"image_url: {told}", "image_url") from error

    def _check(self, path: Path) -> None:
        try:
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > self.most_pixels:
                    raise self._too_large()
                image.load()
        except Image.DecompressionBombError as error:  # Pillow's own bound, far above any sensible one of ours
            raise self._too_large() from error
        except (OSError, SyntaxError, ValueError) as error:
            raise Failure(400, f"image_url: no readable image ({', '.join(FORMATS)})", "image_url") from error

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
