"""What clients send, and what becomes of it here and at vLLM's own server: taken, ignored or refused, and why.

"taken": it is done, or changes nothing. "ignored": the answer's `dreamr` says so. "refused": it would change the
answer, and is not had; a client that is not told would believe that it was.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from endpoints import Endpoint, asking, inline, picture

pytestmark = pytest.mark.models

FUNCTION = {"name": "add", "parameters": {"type": "object", "properties": {}}}
TOOL = {"type": "function", "function": FUNCTION}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
SEEN = {"type": "image_url", "image_url": {"url": inline(picture())}}

ANSWER = {"role": "assistant", "content": "Two."}
EMPTY = {"refusal": None, "annotations": [], "audio": None, "function_call": None, "tool_calls": None}
CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}


def said(content: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content, **more}]}


def asked(*before: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [*before, *said("How many?")["messages"]]}


def seen(**more: Any) -> dict[str, Any]:
    return said([{"type": "image_url", "image_url": SEEN["image_url"] | more}])


ROWS: list[tuple[dict[str, Any], str, str, str]] = [
    # what a question is made of
    ({}, "taken", "taken", ""),
    (said([{"type": "text", "text": "How many?"}]), "taken", "taken", ""),
    (said([SEEN, {"type": "text", "text": "How many?"}]), "taken", "taken", ""),
    (asked({"role": "system", "content": "Be brief."}), "taken", "taken", ""),
    (asked({"role": "developer", "content": "Be brief."}), "taken", "taken", ""),
    (said("Be brief.", "system"), "refused", "taken", "nobody asks anything"),
    (asked(said("Hello.")["messages"][0], ANSWER), "taken", "taken", ""),
    (asked(said("Hello.")["messages"][0], ANSWER | EMPTY), "taken", "taken", "as openai-node sends an answer back"),
    (asked(ANSWER | {"reasoning_content": "Hm."}), "taken", "taken", "templates leave it out"),
    (
        {"messages": [*said("Hello.")["messages"], ANSWER]},
        "refused",
        "taken",
        "nobody asks anything",
    ),
    (asked(ANSWER | {"tool_calls": [CALL]}), "refused", "taken", "no tools"),
    (asked({"role": "tool", "tool_call_id": "1", "content": "3"}), "refused", "taken", "no tools"),
    (asked({"role": "system", "content": [SEEN]}), "refused", "taken", "no template shows a picture there"),
    (said("How many?", name="ann"), "taken", "taken", "no template has a place for a speaker's name"),
    (seen(detail="auto"), "taken", "taken", "the engines' own caps on pixels hold"),
    (seen(detail="low"), "taken", "taken", "the engines' own caps on pixels hold"),
    (seen(detail="finest"), "refused", "taken", "not a word of the API; vLLM does not look"),
    (said([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]), "refused", "taken", "no audio"),
    (said([{"type": "file", "file": {"file_id": "1"}}]), "refused", "taken", "no files"),
    (said([]), "refused", "taken", "a question without a word"),
    # how long, in what form
    ({"max_tokens": 100}, "taken", "taken", ""),
    ({"max_completion_tokens": 100}, "taken", "taken", ""),
    ({"max_tokens": None}, "taken", "taken", ""),
    ({"max_tokens": -1}, "refused", "taken", "vLLM sees to it later"),
    ({"stop": None}, "taken", "taken", ""),
    ({"stop": []}, "taken", "taken", ""),
    ({"stop": 0}, "refused", "refused", "no string"),
    ({"stop": "\n"}, "taken", "taken", "looked for in committed text"),
    ({"stop": ["Question:", "\n\n"]}, "taken", "taken", "looked for in committed text"),
    ({"stream": False}, "taken", "taken", ""),
    ({"stream": False, "stream_options": None}, "taken", "taken", ""),
    ({"response_format": {"type": "text"}}, "taken", "taken", ""),
    ({"response_format": {"type": "json_object"}}, "refused", "taken", "steps in words are what is verified"),
    ({"response_format": SCHEMA}, "refused", "taken", "steps in words are what is verified"),
    ({"modalities": ["text"]}, "taken", "taken", ""),
    ({"modalities": ["text", "audio"]}, "refused", "taken", "no audio; vLLM does not look"),
    ({"n": 1}, "taken", "taken", ""),
    ({"n": 2}, "refused", "taken", "one question, one answer"),
    ({"logprobs": False}, "taken", "taken", ""),
    ({"logprobs": True}, "refused", "taken", "two models write one answer"),
    ({"top_logprobs": 0}, "taken", "taken", ""),
    ({"logprobs": True, "top_logprobs": 3}, "refused", "taken", "two models write one answer"),
    # sampling: the engines are greedy in this test
    ({"temperature": 0}, "taken", "taken", ""),
    ({"temperature": 0.7}, "refused", "taken", "sampling is configured, for all requests alike"),
    ({"top_p": 0.9}, "ignored", "taken", "nothing is drawn"),
    ({"top_k": 40}, "ignored", "taken", "nothing is drawn"),
    ({"seed": 1234}, "ignored", "taken", "nothing is drawn"),
    ({"min_p": 0}, "taken", "taken", ""),
    ({"frequency_penalty": 0}, "taken", "taken", ""),
    ({"frequency_penalty": 0.5}, "refused", "taken", "it would change the answer"),
    ({"presence_penalty": 0.0}, "taken", "taken", ""),
    ({"presence_penalty": None}, "taken", "taken", ""),
    ({"presence_penalty": -1}, "refused", "taken", "it would change the answer"),
    ({"repetition_penalty": 1.0}, "taken", "taken", ""),
    ({"repetition_penalty": 1.1}, "refused", "taken", "it would change the answer"),
    ({"logit_bias": {}}, "taken", "taken", ""),
    ({"logit_bias": {"50256": -100}}, "refused", "taken", "it would change the answer"),
    # tools
    ({"tools": []}, "taken", "refused", "no tools are no tools"),
    ({"tools": None, "tool_choice": "none"}, "taken", "taken", ""),
    ({"tool_choice": "auto"}, "taken", "refused", "there are none to choose"),
    ({"parallel_tool_calls": True}, "taken", "taken", "there are none to call"),
    ({"tools": [TOOL]}, "refused", "taken", "no tools"),
    ({"tools": [TOOL], "tool_choice": "required"}, "refused", "taken", "no tools"),
    ({"functions": []}, "taken", "taken", ""),
    ({"functions": [FUNCTION]}, "refused", "taken", "no tools; vLLM does not look"),
    # of the client's own, or of another service
    ({"user": "ann"}, "taken", "taken", ""),
    ({"safety_identifier": "ann", "prompt_cache_key": "a"}, "taken", "taken", ""),
    ({"store": False}, "ignored", "taken", "nothing is stored"),
    ({"metadata": {"run": "1"}}, "ignored", "taken", "nothing is stored"),
    ({"service_tier": "auto"}, "ignored", "taken", "there is one"),
    ({"reasoning_effort": "low"}, "ignored", "taken", "an answer has steps anyway"),
    ({"verbosity": "low"}, "ignored", "taken", "an answer has steps anyway"),
    ({"best_of": 3}, "refused", "taken", "unknown; vLLM does not look"),
    ({"unheard_of": 1}, "refused", "taken", "unknown; vLLM does not look"),
]
NAMED = [pytest.param(*row, id=str(row[0])[:60]) for row in ROWS]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as running:
        yield running


@pytest.mark.parametrize(("fields", "here", "there", "why"), NAMED)
def test_what_clients_send_is_taken_ignored_or_refused(
    endpoint: Endpoint, fields: dict[str, Any], here: str, there: str, why: str
) -> None:
    answer = endpoint.post(asking() | fields)
    body = answer.json()
    if here == "refused":
        assert answer.status_code == 400 and body["error"]["message"]
    else:
        assert answer.status_code == 200
        assert body["dreamr"]["ignored"] == (list(fields) if here == "ignored" else [])
    assert why or here == there == "taken", "a difference has a reason"


def test_vllms_own_server_takes_and_refuses_what_the_table_says() -> None:
    """By the model of a request that it reads bodies with."""
    from pydantic import ValidationError
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.exceptions import VLLMValidationError

    def verdict(fields: dict[str, Any]) -> str:
        try:
            ChatCompletionRequest.model_validate(asking() | fields)
        except (ValidationError, VLLMValidationError):
            return "refused"
        return "taken"

    assert [(fields, verdict(fields)) for fields, *_ in ROWS] == [(fields, there) for fields, _, there, _ in ROWS]
