"""The endpoint in the hands of clients that know nothing of it: OpenAI's and Inspect's, on the smoke run's models."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chats import image, parts
from hostile import attack
from projects import MADE
from servers import Server

from dreamr.data.rows import option_lines
from dreamr.prompts import END_LETTER, REASON, question_prompt
from dreamr.records import IMAGE_MARK, Question, read_rows
from dreamr.scoring import answers
from dreamr.traces import Trace

# The clients are imported where they are used: that takes two seconds, which every selection of tests would pay.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(Path.exists, MADE)), reason="needs: snakemake --cores all environments"),
]
TARGET, DRAFT = "q3vl-deep-awq", "q3vl-2l"


def started(results: Path) -> Server:
    """The command that people use, with the models of a run."""
    files = ["--configfile", "config/smoke.yaml", str(results.parent / "here.yaml")]
    return Server("serve", *files, "--target", TARGET, "--draft", DRAFT, "--method", "dreamr", "target_only")


def client(server: Server) -> Any:
    from openai import OpenAI

    return OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def served(smoke: Path) -> Iterator[Server]:
    running = started(smoke)
    yield running
    assert running.end() == 0, "SIGTERM ends it in peace"


def questions(smoke: Path, benchmark: str) -> list[Question]:
    return list(read_rows(smoke / "data" / f"{benchmark}.jsonl", Question))


def test_texts_are_those_of_the_workflows_traces(served: Server, smoke: Path) -> None:
    rows = {(row.dataset, row.id): row for path in smoke.glob("data/m*.jsonl") for row in read_rows(path, Question)}
    traces = [row for path in (smoke / "traces" / TARGET).rglob("*.jsonl") for row in read_rows(path, Trace)]
    asked = [row for row in traces if row.method in ("dreamr", "target_only") and row.mode == "batched"]
    asked = [row for row in asked if (row.benchmark, row.question) in rows]
    same = []
    for trace in asked:
        content = parts(rows[trace.benchmark, trace.question], smoke / "data")
        name = trace.method.replace("_", "-")
        answer = client(served).chat.completions.create(model=name, messages=[{"role": "user", "content": content}])
        same.append(answer.choices[0].message.content == trace.text)
    assert len(same) >= 20 and sum(same) >= 0.98 * len(same)


def test_a_streamed_answer_with_a_picture_comes_step_by_step_and_may_be_left(served: Server, smoke: Path) -> None:
    said: Any = [{"role": "user", "content": parts(questions(smoke, "mathverse")[0], smoke / "data")}]
    stream = client(served).chat.completions.create(model="dreamr", messages=said, stream=True)
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    whole = client(served).chat.completions.create(model="dreamr", messages=said)
    assert "".join(texts) == whole.choices[0].message.content and len(texts) > 1
    left = client(served).chat.completions.create(model="dreamr", messages=said, stream=True)
    next(iter(left))
    left.close()
    again = client(served).chat.completions.create(model="dreamr", messages=said)
    assert again.choices[0].message.content == whole.choices[0].message.content


def test_two_hundred_requests_that_mean_no_good_leave_texts_and_memory_as_they_were(
    served: Server, smoke: Path
) -> None:
    said: Any = [{"role": "user", "content": parts(questions(smoke, "mathverse")[0], smoke / "data")}]
    asyncio.run(attack(served.url, seed=1))  # what grows once has grown
    before, held = client(served).chat.completions.create(model="dreamr", messages=said), served.memory()
    found = asyncio.run(attack(served.url, seed=2))
    after = client(served).chat.completions.create(model="dreamr", messages=said)
    assert after.choices[0].message.content == before.choices[0].message.content
    assert not {status for statuses in found.values() for status in statuses if status.startswith("5")}, found
    assert served.memory() <= 1.05 * held


def test_a_killed_engine_is_told_and_ends_the_server(smoke: Path) -> None:
    from openai import InternalServerError

    running = started(smoke)
    running.kill_engine()
    with pytest.raises(InternalServerError, match=r"the engine of .* died: .*SIGKILL.*; the server ends") as told:
        said: Any = [{"role": "user", "content": "What is 3 + 4?"}]
        client(running).chat.completions.create(model="dreamr", messages=said)
    assert told.value.status_code == 503
    _, errors = running.process.communicate(timeout=60)
    assert running.process.returncode == 1 and re.search("the engine of .* died", errors), errors


def test_a_killed_engine_ends_the_server_though_nobody_asks(smoke: Path) -> None:
    running = started(smoke)
    running.kill_engine()
    _, errors = running.process.communicate(timeout=60)
    assert running.process.returncode == 1 and re.search("the engine of .* died", errors), errors


def sample(question: Question, smoke: Path, words: str, **more: Any) -> Any:
    """A question as Inspect takes it: its images, then `words`."""
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ChatMessageUser, ContentImage, ContentText

    images = [ContentImage(image=image(f"{smoke}/data/{name}")) for name in question.images]
    content = [*images, ContentText(text=words)]
    return Sample(id=question.id, input=[ChatMessageUser(content=content)], target=question.gold[0], **more)


@pytest.mark.parametrize("benchmark", ["mmbench", "mathverse"])
def test_inspects_scorers_find_what_ours_finds(
    served: Server, smoke: Path, benchmark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own scorers, on the answers that it got through the endpoint, against ours on the same answers."""
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset
    from inspect_ai.model import get_model
    from inspect_ai.scorer import choice, match
    from inspect_ai.solver import generate, multiple_choice

    monkeypatch.setenv("INSPECT_LOG_DIR", str(tmp_path))
    rows = {row.id: row for row in questions(smoke, benchmark)}
    if benchmark == "mmbench":
        asked = [sample(row, smoke, stem(row), choices=list(row.options)) for row in rows.values()]
        solver = multiple_choice(template=f"{{question}}\n{{choices}}\n{REASON} {END_LETTER}")
        task = Task(dataset=MemoryDataset(asked), solver=solver, scorer=choice())
    else:
        prompts = {name: question_prompt(row, "").user.replace(IMAGE_MARK, "") for name, row in rows.items()}
        asked = [sample(row, smoke, prompts[name]) for name, row in rows.items()]
        task = Task(dataset=MemoryDataset(asked), solver=generate(), scorer=match())
    model = get_model("openai-api/dreamr/dreamr", base_url=f"{served.url}/v1", api_key="none")
    (log,) = eval(task, model=model, log_dir=str(tmp_path), display="none")
    assert log.status == "success" and log.samples and len(log.samples) == len(rows)
    for answered in log.samples:
        ours = answers.grade(rows[str(answered.id)], answered.output.completion)
        (theirs,) = (answered.scores or {}).values()
        assert (theirs.value == "C") == ours.correct, (answered.id, answered.output.completion, theirs)


def stem(question: Question) -> str:
    """A question without its options, which Inspect puts behind it itself."""
    words = question.prompt.replace(IMAGE_MARK, "")
    return words.removesuffix("\n" + "\n".join(option_lines(question.options)))
