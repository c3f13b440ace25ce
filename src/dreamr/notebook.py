"""For notebooks and scripts: what a run has left, as data frames, and questions answered as they are asked.

    from dreamr.notebook import Results, Session

    results = Results("config/smoke.yaml")
    results.table("accuracy")
    results.steps().groupby("method").verdict.describe()
    results.timeline()

    with Session("config/smoke.yaml", methods=["dreamr", "target_only"]) as session:
        session.answer("What is the sum of row 1?", image="grid.png", method="dreamr").steps

This module is what may be relied on from outside; all others may change. It needs the packages of `pip install -e .`
alone: engines run in a process of their own, under the Python of the models environment.
"""

import base64
import mimetypes
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pandas as pd

from dreamr.config import REFERENCE, Config
from dreamr.errors import UserError
from dreamr.planning.jobs import SummariseJob
from dreamr.planning.reading import read
from dreamr.records import read_rows
from dreamr.report.drawing import Chart, style
from dreamr.scores import Score
from dreamr.statistics.frame import read_table
from dreamr.studies.timeline.choice import side_by_side
from dreamr.studies.timeline.figures import drawn, of_methods
from dreamr.traces import Trace

BASE = "config/config.yaml"
ANSWER = ["target", "draft", "method", "replicate", "mode", "benchmark", "question"]  # tells an answer from all others
PARTS = {"steps", "spans", "fits", "load"}  # of a trace, each with a frame of its own or of no use in one


class Results:
    """What the workflow wrote under a configuration. Nothing is kept in memory: each call reads the files."""

    def __init__(self, *configfiles: str | Path, project: str | Path = ".") -> None:
        """Find the results of `config/config.yaml` with `configfiles` laid over it; paths as `project` has them."""
        self.project = Path(project)
        self.config: Config = _config(configfiles, self.project)
        self.folder = self.project / self.config.pathvars.results

    @property
    def tables(self) -> list[str]:
        """The names of all tables. Their columns are in docs/reference/tables."""
        return sorted(path.stem for path in self.folder.glob("tables/*.csv"))

    def table(self, name: str) -> pd.DataFrame:
        """A table of the page, with intervals as X, X_low, X_high; a UserError names the tables that there are."""
        if name not in self.tables:
            raise UserError(f"{name!r}: no such table in {self.folder / 'tables'}; there are: {', '.join(self.tables)}")
        return read_table(self.folder / f"tables/{name}.csv")

    def traces(self) -> pd.DataFrame:
        """All answers, a row each: text, tokens, seconds; columns as the fields of `dreamr.traces.Trace`."""
        return pd.DataFrame(trace.model_dump(exclude=PARTS) for trace in self._traces())

    def steps(self) -> pd.DataFrame:
        """All committed steps, a row each: its answer, its `place` there, columns as `dreamr.traces.Step`."""
        return pd.DataFrame(self._parts("steps"))

    def spans(self) -> pd.DataFrame:
        """All requests to engines, a row each, in seconds from the start of their question: `dreamr.traces.Span`."""
        return pd.DataFrame(self._parts("spans"))

    def scores(self) -> pd.DataFrame:
        """All graded answers, a row each; columns as the fields of `dreamr.scores.Score`."""
        rows = (row for path in self._files("scores") for row in read_rows(path, Score))
        return pd.DataFrame(score.model_dump(exclude=PARTS) for score in rows)

    def timeline(self, benchmark: str | None = None, question: str | None = None, methods: Sequence[str] = ()) -> Chart:
        """How a timed question of the first pair ran: each request on its engine, under the main methods or `methods`.

        Notebooks draw it; its numbers are in `data`, matplotlib's figure in `figure`. Without a question it is one in
        which the reference took a step and replaced one. A UserError tells where nothing fits.
        """
        job, wanted = SummariseJob.of(self.config), {"benchmark": benchmark, "question": question}
        given = {key: value for key, value in wanted.items() if value is not None}
        timed = [row for row in self._traces() if row.mode == "alone"]
        rows = [row for row in timed if all(getattr(row, key) == value for key, value in given.items())]
        shown = of_methods(methods or job.display.main, side_by_side(rows, job.pairs, job.reference))
        if not shown:
            known = sorted({f"{row.benchmark} {row.question}" for row in timed if row.method == job.reference})
            raise UserError(f"no timed answer with {given}, {job.reference} among them; timed: {', '.join(known)}")
        style()
        return drawn(shown, job)

    def _parts(self, name: str) -> Iterator[dict[str, Any]]:
        for trace in self._traces():
            answer = {key: getattr(trace, key) for key in ANSWER}
            yield from (answer | {"place": at} | part.model_dump() for at, part in enumerate(getattr(trace, name)))

    def _traces(self) -> Iterator[Trace]:
        return (row for path in self._files("traces") for row in read_rows(path, Trace))

    def _files(self, kind: str) -> list[Path]:
        found = sorted((self.folder / kind).rglob("*.jsonl"))
        if not found:
            raise UserError(f"{self.folder / kind}: no file of answers; run the workflow with this configuration first")
        return found


@dataclass(frozen=True)
class Answer:
    """An answer to one question."""

    method: str
    text: str
    steps: pd.DataFrame  # text, writer, verdict, accepted, and `at`, when it stood: seconds from the question's start
    drafted: int  # draft steps that were written
    verified: int  # draft steps that were decided on
    accepted: int  # draft steps that were committed
    finish: str  # "answer", "end" or "budget", as in `dreamr.traces.Trace`


class Session:
    """Methods of a pair on engines of their own, until it is closed. The models are those that the workflow made."""

    def __init__(
        self,
        *configfiles: str | Path,
        methods: Sequence[str] = (REFERENCE,),
        target: str | None = None,
        draft: str | None = None,
        project: str | Path = ".",
    ) -> None:
        """Start the engines, which takes about half a minute; a UserError says why they cannot be had.

        `target` and `draft` are names of models; if left out, those of the first pair.
        """
        config = _config(configfiles, Path(project))  # a wrong one is told here, and not by another process
        self._log = Path(project) / config.pathvars.logs / "serve.log"
        pair = [part for name, model in (("--target", target), ("--draft", draft)) if model for part in (name, model)]
        files = ["--configfile", *map(str, configfiles)] if configfiles else []
        self.methods = tuple(methods)
        self._server, url = _serve(["--method", *methods, *pair, *files], Path(project))
        self._client = httpx.Client(base_url=url, timeout=None)

    def answer(self, text: str, image: str | Path | Iterable[str | Path] = (), method: str | None = None) -> Answer:
        """Answer a question about none, one or several images (files) by one of the methods, the first by default."""
        images = [image] if isinstance(image, str | Path) else list(image)
        method = method or self.methods[0]
        content = [{"type": "image_url", "image_url": {"url": _data_url(Path(path))}} for path in images]
        body = {"model": method.replace("_", "-"), "messages": [{"role": "user", "content": [*content, _words(text)]}]}
        try:
            response = self._client.post("/chat/completions", json=body)
        except httpx.TransportError as error:
            self.close()
            raise UserError(f"the engines have ended ({error}); what they said is in {self._log}") from None
        if response.is_error:
            raise UserError(response.json()["error"]["message"])
        whole = response.json()
        told = whole["dreamr"]
        counts = {name: told[name] for name in ("drafted", "verified", "accepted", "finish")}
        return Answer(method, whole["choices"][0]["message"]["content"], pd.DataFrame(told["steps"]), **counts)

    def close(self) -> None:
        """End the engines."""
        self._client.close()
        self._server.terminate()
        self._server.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _serve(options: Sequence[str], project: Path) -> tuple["subprocess.Popen[str]", str]:
    """The command that serves, once it listens, and where; a UserError with its last words where it ends instead."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "dreamr", "serve", "--port", port, *options]
    pipes: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    server = subprocess.Popen(command, cwd=project, text=True, **pipes)
    assert server.stdout and server.stderr
    if f":{port}/" not in server.stdout.readline():  # its first line, once it listens
        raise UserError(server.stderr.read().strip() or f"{' '.join(command)}: ended without a word")
    return server, f"http://127.0.0.1:{port}/v1"


def _config(configfiles: Iterable[str | Path], project: Path) -> Config:
    return read([project / file for file in (BASE, *configfiles)])


def _words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _data_url(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"{path}: no such image")
    kind = mimetypes.guess_type(path.name)[0]
    if kind is None or not kind.startswith("image/"):
        raise UserError(f"{path}: expected an image, as .png, .jpg or .webp")
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
