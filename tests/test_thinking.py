"""Models that think first: clients find reasoning and content in the fields that they know."""

import pytest
from endpoints import Counted, Endpoint, asking

from dreamr.endpoint.thinking import ToldApart
from dreamr.engines.protocol import Generation
from dreamr.prompts import Prompt

pytestmark = pytest.mark.models


@pytest.fixture
def thinking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines whose second step ends a thinking block, as a template opened it."""
    whole = Counted._step

    def step(self: Counted, prompt: Prompt) -> Generation:
        written = whole(self, prompt)
        closes = prompt.answer.count("\n\n") == 1
        return Generation(written.text + "\n</think>" * closes, written.tokens, written.finish)

    monkeypatch.setattr(Counted, "_step", step)


@pytest.mark.usefixtures("thinking")
def test_reasoning_is_told_apart_whole_and_in_a_stream() -> None:
    with Endpoint(thinks=True) as running:
        said = asking(model="target-only")
        whole = running.client().chat.completions.create(**said)
        chunks = list(running.client().chat.completions.create(**said, stream=True))
    message, steps = whole.choices[0].message, [step["text"] for step in whole.dreamr["steps"]]
    before, after = "\n\n".join(steps).split("</think>")
    assert message.reasoning_content == message.reasoning == before and before.startswith("Step 0")
    assert message.content == after.lstrip("\n") and message.content.startswith("Step 2")
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == before
    assert "".join(delta.content or "" for delta in deltas) == message.content


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_pieces_of_a_text_do_not_matter(size: int) -> None:
    def told(text: str, thinking: bool = True) -> tuple[str, str]:
        apart = ToldApart(thinking)
        deltas = [apart.add(text[begin : begin + size]) for begin in range(0, len(text), size)] + [apart.rest()]
        return tuple("".join(delta.get(name, "") for delta in deltas) for name in ("reasoning_content", "content"))

    assert told("I think.\n</think>\n\nTwo.\n\n</think>") == ("I think.\n", "Two.\n\n</think>")
    assert told("I think </thi") == ("I think </thi", "")
    assert told("</think>Two.") == ("", "Two.")
    assert told("\nTwo. </think>", thinking=False) == ("", "\nTwo. </think>")
