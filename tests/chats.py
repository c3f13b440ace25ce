"""Questions of the workflow as a client of OpenAI's API sends them."""

import base64
from pathlib import Path
from typing import Any

from dreamr.prompts import question_prompt
from dreamr.records import IMAGE_MARK, Question


def parts(question: Question, folder: Path) -> list[dict[str, Any]]:
    """The content of its one message; images, below `folder`, as data URLs."""
    prompt = question_prompt(question, str(folder))
    urls, texts = iter(prompt.images), prompt.user.split(IMAGE_MARK)
    made: list[dict[str, Any]] = [{"type": "text", "text": texts[0]}] if texts[0] else []
    for text in texts[1:]:
        made.append({"type": "image_url", "image_url": {"url": image(next(urls))}})
        made.append({"type": "text", "text": text})
    return made


def image(path: str) -> str:
    return "data:image/png;base64," + base64.b64encode(Path(path).read_bytes()).decode()
