"""Conversations: turns as the model's own template writes them, and single questions as they always were."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from endpoints import SIZE, Endpoint, asking, inline, picture

from dreamr.engines.chat import Chat
from dreamr.engines.protocol import Refused
from dreamr.engines.vllm.engine import _seed
from dreamr.engines.vllm.inputs import Inputs, Vocabulary
from dreamr.prompts import REASON, Conversation, Prompt, Turn

pytestmark = pytest.mark.models

ZOO = Path(__file__).parents[1] / "workflow/resources/zoo"
SEEN = {"type": "image_url", "image_url": {"url": inline(picture())}}
SAID = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [SEEN, {"type": "text", "text": "How many?"}]},
    {"role": "assistant", "content": "Two."},
    {"role": "user", "content": "Of what?"},
]
TURNS = (Turn("system", "Be brief."), Turn("user", "<image>How many?"), Turn("assistant", "Two."))


@pytest.fixture(scope="module", params=["q3vl-2l", "mimo-3l", "r4b-2l"])
def template(request: pytest.FixtureRequest) -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(ZOO / request.param)


def test_turns_reach_the_engines_as_turns() -> None:
    with Endpoint() as running:
        answer = running.post(asking() | {"messages": SAID})
        assert answer.status_code == 200
        asked = running.target.last
        assert isinstance(asked, Conversation) and len(asked.images) == 1
        assert asked.user == f"Of what?\n{REASON}" and asked.before == TURNS
        again = [{"role": "user", "content": "Hello."}, {"role": "user", "content": "How many?"}]
        assert running.post(asking() | {"messages": again}).status_code == 200
        assert type(running.target.last) is Prompt and running.target.last.user == f"Hello.\nHow many?\n{REASON}"


def test_a_template_writes_all_turns(template: Any) -> None:
    """As it does for a caller of its own, whose turns are plain strings."""
    plain = [{"role": turn.role, "content": turn.text} for turn in (TURNS[0], *TURNS[2:], Turn("user", "Why?"))]
    expected = template.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)
    asked = Conversation("Why?", (), answer="As ", before=(TURNS[0], *TURNS[2:]))
    assert Chat(template).text(asked) == expected + "As "
    assert all(turn["content"] in expected for turn in plain)


def test_a_template_writes_a_single_question_as_before(template: Any) -> None:
    text = Chat(template).text(Prompt("How many?", (), "Two", "Right?"))
    opening = template.apply_chat_template([plain("How many?")], tokenize=False, add_generation_prompt=True)
    answered = [plain("How many?"), {"role": "assistant", "content": "Two"}, plain("Right?")]
    assert text == template.apply_chat_template(answered, tokenize=False, add_generation_prompt=True)
    assert text.startswith(opening)


def plain(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_seeds_of_single_questions_are_what_they_were() -> None:
    assert _seed(0, Prompt("How many?", ("/a/b/x.png",))) == 1328457239
    assert _seed(3, Prompt("How many?", (), "One.\n\n", "Right?")) == 1899564016
    assert _seed(0, Conversation("How many?", ("/a/b/x.png",), before=TURNS[2:])) != 1328457239


def test_earlier_turns_count_where_the_context_is_full_and_a_template_may_refuse_them() -> None:
    from jinja2 import TemplateError

    def refuse(*_: Any, **__: Any) -> str:
        raise TemplateError("roles must alternate")

    words: Any = SimpleNamespace(get_vocab=lambda: {"word": 1}, apply_chat_template=refuse)
    settings: Any = SimpleNamespace(images=SIZE, context_tokens=10)
    ours = Inputs(None, Chat(words), Vocabulary(words, "big"), settings)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="takes at least 11"):
        asyncio.run(ours.tokens(Conversation("four", (), before=(Turn("user", "four" * 10),))))
    with pytest.raises(Refused, match="template does not take the turns"):
        asyncio.run(ours.tokens(Conversation("four", (), before=TURNS[2:])))
