"""The endpoint as its clients meet it: a real server and OpenAI's own client, with engines that follow a script."""

import asyncio
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from endpoints import LIMITS, METHODS, PROMISES, Endpoint, asking, connected, inline, picture, with_image
from hostile import attack
from scripted import ScriptedEngine

from dreamr.cli.serve import warn_of_strangers
from dreamr.endpoint.access import Access, hosts_of
from dreamr.methods import protocol as methods
from dreamr.methods.protocol import Engines
from dreamr.prompts import REASON, Prompt

pytestmark = pytest.mark.models

KEY = "let me in"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with Endpoint(allowed=tmp_path_factory.mktemp("allowed")) as running:
        yield running


def direct(name: str, user: str) -> Any:
    """What the loop itself answers."""
    method = METHODS[name]
    engines = Engines(target=ScriptedEngine("big"), draft=ScriptedEngine("small"))
    return asyncio.run(methods.load(method.loop)(Prompt(user, ()), engines, method, LIMITS.under(method)))


@pytest.mark.parametrize("name", METHODS)
def test_a_client_gets_the_loops_answer_whole_and_step_by_step(endpoint: Endpoint, name: str) -> None:
    said = [{"role": "user", "content": "Be brief."}, {"role": "user", "content": "How many?"}]
    expected = direct(name, f"Be brief.\nHow many?\n{REASON}")
    whole = endpoint.client().chat.completions.create(model=name, messages=said)
    assert whole.choices[0].message.content == expected.text and whole.choices[0].finish_reason == "stop"
    assert whole.usage.completion_tokens == expected.tokens == whole.usage.total_tokens - whole.usage.prompt_tokens
    told = whole.dreamr
    assert told.get("guarantee") == PROMISES.get(name)
    assert [step["text"] for step in told["steps"]] == [step.text for step in expected.steps]
    assert [step["writer"] for step in told["steps"]] == [step.writer for step in expected.steps]
    assert (told["drafted"], told["verified"], told["accepted"])[1:] == (expected.verified, expected.accepted)

    usage = {"include_usage": True}
    chunks = list(
        endpoint.client().chat.completions.create(model=name, messages=said, stream=True, stream_options=usage)
    )
    deltas = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert "".join(deltas) == expected.text and len(deltas) == len(expected.steps)
    *_, last, used = chunks
    assert last.choices[0].finish_reason == "stop" and len(last.dreamr["steps"]) == len(deltas)
    assert used.usage == whole.usage and not used.choices


def test_a_request_that_asks_for_steps_in_our_words_is_put_to_the_models_as_it_is(endpoint: Endpoint) -> None:
    user = f"How many?\n{REASON} End with Answer: and the value."
    answer = endpoint.post(asking(user)).json()
    assert answer["choices"][0]["message"]["content"] == direct("dreamr", user).text


def test_a_lower_bound_on_tokens_holds_and_a_higher_one_is_the_configured(endpoint: Endpoint) -> None:
    for model in ("dreamr", "twice"):
        short = endpoint.post(asking(max_tokens=7, model=model)).json()
        assert short["choices"][0]["finish_reason"] == "length" and short["usage"]["completion_tokens"] <= 9
    full, more = endpoint.post(asking()).json(), endpoint.post(asking(max_completion_tokens=10**6)).json()
    assert full["choices"] == more["choices"]


STEPS = direct("dreamr", f"How many?\n{REASON}").steps
BROKEN = [STEPS[1].text[5:], STEPS[1].text[-4:] + "\n\n" + STEPS[2].text[:6], "\n\n", "never"]


@pytest.mark.parametrize("stop", [*BROKEN, BROKEN[:2], STEPS[0].text[0]])
def test_a_stop_string_ends_the_committed_text(endpoint: Endpoint, stop: str | list[str]) -> None:
    full = direct("dreamr", f"How many?\n{REASON}").text
    expected = min((full.partition(one)[0] for one in ([stop] if isinstance(stop, str) else stop)), key=len)
    whole = endpoint.client().chat.completions.create(**asking(stop=stop))
    assert whole.choices[0].message.content == expected and whole.choices[0].finish_reason == "stop"
    chunks = list(endpoint.client().chat.completions.create(**asking(stop=stop, stream=True)))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == expected
    assert chunks[-1].choices[0].finish_reason == "stop"
    texts = [step["text"] for step in whole.dreamr["steps"]]
    assert texts == [step["text"] for step in chunks[-1].dreamr["steps"]] == [step.text for step in STEPS[: len(texts)]]
    assert whole.usage.completion_tokens == sum(step.tokens for step in STEPS[: len(texts)])
    assert endpoint.idle


def test_models_are_listed_by_name(endpoint: Endpoint) -> None:
    from openai import NotFoundError

    models = endpoint.client().models
    assert [model.id for model in models.list()] == list(METHODS)
    assert models.retrieve("target-only").id == "target-only"
    assert models.retrieve("dreamr").dreamr == {"guarantee": PROMISES["dreamr"]}
    with pytest.raises(NotFoundError) as told:
        models.retrieve("gpt-4o")
    assert told.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("changed", "status", "told"),
    [
        ({"model": "gpt-4o"}, 404, "'gpt-4o' is not served; there are: dreamr, specreason, target-only"),
        ({"tools": [{"type": "function"}]}, 400, "tools: "),
        ({"n": 2}, 400, "n: "),
        ({"logprobs": True}, 400, "logprobs: "),
        ({"stop": [""]}, 400, "stop.0: "),
        ({"stop": ["x"] * 17}, 400, "stop: "),
        ({"temperature": 0.7}, 400, "temperature: 0.0 is in force for all requests, 0.7 was asked for"),
        ({"max_tokens": 0}, 400, "max_tokens: "),
        ({"max_tokens": "many"}, 400, "max_tokens: "),
        ({"frequency_penalty": 1}, 400, "frequency_penalty: "),
        ({"best_of": 2}, 400, "best_of: is not served here"),
        ({"messages": []}, 400, "messages: "),
        ({"messages": "hello"}, 400, "messages: "),
        ({"messages": [{"role": "assistant", "content": "I think"}]}, 400, "the last one has to be the user's"),
        ({"messages": [{"role": "tool", "content": "3"}]}, 400, "messages.0: Input tag 'tool' found using 'role'"),
        ({"messages": [{"role": "user"}]}, 400, "messages.0.content: Field required"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            400,
            "messages.0.content.0: Input tag 'input_audio' found using 'type' does not match any of the expected tags",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, 400, "messages.0.content.0.text: Field"),
        ({"messages": [{"role": "user", "content": "an <image> here"}]}, 400, "<image> marks the place"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, 400, "messages.0.content"),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(
    endpoint: Endpoint, changed: dict[str, Any], status: int, told: str
) -> None:
    answer = endpoint.post(asking() | changed)
    error = answer.json()["error"]
    assert answer.status_code == status and told in error["message"] and error["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"model": "dreamr"}', b"[" * 100_000])
def test_a_body_that_is_no_chat_is_refused(endpoint: Endpoint, body: bytes) -> None:
    answer = endpoint.post(body)
    assert answer.status_code == 400 and answer.json()["error"]["message"]


def test_a_body_beyond_its_bound_is_refused_before_it_is_read(endpoint: Endpoint) -> None:
    answer = endpoint.post(asking("x" * (1 << 20)))
    assert answer.status_code == 413 and "1,048,576 bytes" in answer.json()["error"]["message"]


def test_a_route_that_is_not_there_says_so_in_the_same_form(endpoint: Endpoint) -> None:
    from openai import NotFoundError

    told = endpoint.get("/v1/completions").json()["error"]["message"]
    assert told.startswith("GET /v1/completions: Not Found; there are: POST /v1/chat/completions")
    answer = endpoint.get("/v1/chat/completions")
    assert answer.status_code == 405 and answer.headers["allow"] == "POST"
    with pytest.raises(NotFoundError, match="the Responses API is not served here"):
        endpoint.client().responses.create(model="dreamr", input="How many?")


def test_a_failure_of_the_server_itself_has_the_same_form(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint.target, "prompt_tokens", None)
    answer = endpoint.post(asking())
    assert answer.status_code == 500 and answer.json()["error"]["type"] == "server_error"


def test_images_stand_where_they_were_put(endpoint: Endpoint) -> None:
    answer = endpoint.post(with_image(inline(picture()))).json()
    assert answer["choices"][0]["message"]["content"] == direct("dreamr", f"<image>What is it?\n{REASON}").text


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.org/a.png", "no other is fetched"),
        ("file:///etc/passwd", "no such file in the folder"),
        ("data:text/html;base64,aGk=", "is no data URL of an image"),
        ("data:image/png;base64,####", "base64 of the data URL is broken"),
        ("data:image/png;base64,aGVsbG8=", "no readable image"),
        ("data:image/png," + "a", "is no data URL"),
        (inline(picture()[:45]), "no readable image"),
        (inline(picture(101, 100)), "an image has more than 10,000 pixels"),
        ("", "is no data URL"),
    ],
)
def test_an_image_that_is_none_is_refused(endpoint: Endpoint, url: str, told: str) -> None:
    answer = endpoint.post(with_image(url))
    assert answer.status_code == 400 and told in answer.json()["error"]["message"]


def test_no_path_leads_out_of_the_folder(tmp_path: Path) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret.png"
    allowed.mkdir()
    for path in (allowed / "a b.png", secret):
        path.write_bytes(picture())
    (allowed / "link.png").symlink_to(secret)
    with Endpoint(allowed=allowed) as running:
        assert running.post(with_image(f"file://{allowed}/a%20b.png")).status_code == 200
        for way in ("/../secret.png", "/%2e%2e/secret.png", "/link.png", "", "/", "/none.png", "/a b.png\0"):
            assert running.post(with_image(f"file://{allowed}{way}")).status_code == 400, way
    with Endpoint() as running:
        answer = running.post(with_image(f"file://{secret}"))
        assert answer.status_code == 400 and "local files are not served" in answer.json()["error"]["message"]


@pytest.fixture
def refusing(endpoint: Endpoint) -> Iterator[Endpoint]:
    endpoint.target.refused = ["long"]
    yield endpoint
    endpoint.target.refused, endpoint.target.why = [], type(endpoint.target).why
    assert endpoint.idle


def test_a_question_that_fills_the_context_is_refused(refusing: Endpoint) -> None:
    from openai import BadRequestError

    with pytest.raises(BadRequestError, match="maximum context length is exceeded; model big: context_tokens") as told:
        refusing.client().chat.completions.create(**asking("a long one"))
    assert told.value.code == "context_length_exceeded"


def test_an_answer_that_fills_the_context_ends_there(refusing: Endpoint) -> None:
    said = asking("a late long one", model="target-only")
    whole = refusing.client().chat.completions.create(**said)
    assert whole.choices[0].finish_reason == "length" and whole.choices[0].message.content
    assert "context_tokens (1024) is full" in whole.dreamr["refusal"] and len(whole.dreamr["steps"]) == 1
    chunks = list(refusing.client().chat.completions.create(**said, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "length"


def test_any_other_refusal_is_told_also_in_the_middle_of_a_stream(refusing: Endpoint) -> None:
    from openai import APIError

    refusing.target.why = "no verdict"
    answer = refusing.post(asking("a late long one"))
    assert answer.status_code == 400 and answer.json()["error"]["message"] == "model big: no verdict"
    with pytest.raises(APIError, match="no verdict"):
        list(refusing.client().chat.completions.create(**asking("a late long one", stream=True)))


def test_a_client_that_goes_drops_its_question() -> None:
    import httpx

    with Endpoint(delay=0.2) as running:
        stream = running.client().chat.completions.create(**asking(stream=True))
        next(iter(stream))
        assert not running.idle
        stream.close()
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{running.url}/v1/chat/completions", json=asking(), timeout=0.1)
        running.wait(lambda: running.idle)
        running.wait(lambda: running.metrics()['abandoned_total{method="dreamr"}'] == 2)
        assert running.post(asking()).status_code == 200


def test_too_many_questions_are_told_to_come_again() -> None:
    with Endpoint(delay=0.1, concurrency=1, queue=1) as running:
        answers: list[Any] = []
        threads = [threading.Thread(target=lambda: answers.append(running.post(asking()))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
        (error,) = {tuple(answer.json()["error"].items()) for answer in answers if answer.status_code == 429}
        assert dict(error)["code"] == "rate_limit_exceeded"


def test_when_to_come_again_is_told_by_the_queue_and_who_goes_is_counted() -> None:
    body = json.dumps(asking()).encode()
    with Endpoint(delay=0.1, concurrency=1, queue=3) as running:
        begun = time.perf_counter()
        assert running.post(asking()).status_code == 200
        taken = time.perf_counter() - begun
        with ExitStack() as stack:
            for number in range(4):
                stack.enter_context(connected(running, body))
                running.wait(lambda number=number: running.metrics()['waiting{method="dreamr"}'] == number)
            assert running.metrics()['running{method="dreamr"}'] == 1
            told = running.post(asking())
            assert told.status_code == 429 and abs(int(told.headers["retry-after"]) - 3 * taken) <= 1 < taken * 3
        running.wait(lambda: running.metrics().get('abandoned_total{method="dreamr"}') == 4)
        found = running.metrics()
    assert found['refused_total{status="429"}'] == 1
    assert found['waiting{method="dreamr"}'] == found['running{method="dreamr"}'] == 0


def test_a_dead_engine_is_told_to_everybody() -> None:
    with Endpoint() as running:
        assert running.get("/health").json() == {"status": "ready"}
        running.target.dead = True
        told = [running.post(asking()), running.post(asking("Another?")), running.get("/health")]
        assert [answer.status_code for answer in told] == [503] * 3
        assert "the engine of big died" in told[1].json()["error"]["message"]


def test_without_the_key_nothing_but_the_health_is_told() -> None:
    with Endpoint(access=Access(KEY)) as running:
        assert running.get("/health").status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic wrong"}):
            answer = running.post(asking(), **headers)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert {running.get(path, **headers).status_code for path in ("/v1/models", "/metrics")} == {401}
        right = running.client(KEY).chat.completions.create(**asking())
        assert right.choices[0].message.content
        assert running.get("/v1/models", authorization=f"bearer {KEY}").status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "text/json; charset=utf-8"])
def test_a_page_of_another_site_cannot_ask_by_a_form(endpoint: Endpoint, kind: str) -> None:
    answer = endpoint.post(asking(), origin="https://example.org", **{"content-type": kind})
    assert answer.status_code == 415 and "application/json" in answer.json()["error"]["message"]
    assert endpoint.post(asking(), **{"content-type": "Application/JSON; charset=utf-8"}).status_code == 200


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org", "", "[::2]", "[::", "localhost:80@example.org"]
)
def test_a_server_of_this_machine_has_no_other_name(host: str) -> None:
    assert hosts_of("0.0.0.0") is None and hosts_of("0.0.0.0", ["lab.org"]) == ("lab.org",)
    with Endpoint(access=Access(hosts=hosts_of("127.0.0.1", ["lab.org"]))) as running:
        assert running.post(asking(), host=host).status_code == 403
        for name in ("localhost", "localhost:8000", "127.0.0.1", "[::1]:80", "LocalHost", "lab.org"):
            assert running.get("/v1/models", host=name).status_code == 200


@pytest.mark.parametrize(
    ("host", "key", "warns"), [("0.0.0.0", None, True), ("0.0.0.0", KEY, False), ("::1", None, False)]
)
def test_a_server_that_strangers_reach_says_so(host: str, key: str | None, warns: bool) -> None:
    told = io.StringIO()
    warn_of_strangers(host, key, told)
    assert ("--api-key-file asks for a key" in told.getvalue()) == warns


def test_pages_are_answered_whose_site_is_allowed() -> None:
    import httpx

    asks = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    with Endpoint(access=Access(origins=("https://example.org",))) as running:
        route = f"{running.url}/v1/chat/completions"
        for origin, allowed in (("https://example.org", True), ("https://example.com", False)):
            answers = [httpx.options(route, headers=asks | {"origin": origin}), running.post(asking(), origin=origin)]
            named = [answer.headers.get("access-control-allow-origin") == origin for answer in answers]
            assert named == [allowed] * 2
    with Endpoint() as running:
        route = f"{running.url}/v1/chat/completions"
        assert httpx.options(route, headers=asks | {"origin": "https://example.org"}).status_code == 405


def test_metrics_count_what_was_answered() -> None:
    with Endpoint() as running:
        answers = [running.post(asking(f"Question {number}?")).json()["dreamr"] for number in range(3)]
        found = running.metrics()

    def counted(name: str) -> float:
        return found[f'{name}{{method="dreamr"}}']

    for name in ("drafted", "verified", "accepted"):
        assert counted(f"steps_{name}_total") == sum(answer[name] for answer in answers)
    overruled = sum(answer["verified"] - answer["accepted"] for answer in answers)
    assert counted("steps_overruled_total") == overruled > 0
    assert counted("queue_seconds_count") == counted("first_step_seconds_count") == 3
    assert found['questions_total{finish="answer",method="dreamr"}'] == 3


def test_two_hundred_requests_that_mean_no_good_change_nothing() -> None:
    with Endpoint(delay=0.02, concurrency=8, queue=8) as running:
        before = running.post(asking()).json()["choices"]
        found = asyncio.run(attack(running.url))
        told = {status for statuses in found.values() for status in statuses}
        assert sum(sum(statuses.values()) for statuses in found.values()) == 200
        assert told <= {"200", "400", "404", "413", "429", "gone", "closed"}, found
        assert found["bad pictures"] == {"400": 30} and "200" not in found["broken JSON"]
        patience = time.monotonic() + 5
        while not running.idle and time.monotonic() < patience:
            time.sleep(0.02)
        assert running.idle and running.post(asking()).json()["choices"] == before
