"""The smallest unit of kept work: one method on one target, draft and suite, answered question by question.

A cell's finished questions stand in `<folder>/<digest>.jsonl`, one trace a line, on disk before the next line begins.
The digest covers spec, code, packages, and the questions and model files themselves, so what was computed under
another spec is never taken up.
"""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from dreamr import provenance
from dreamr.config import Slice, Suite
from dreamr.prompts import Prompt, question_prompt
from dreamr.records import Question, Trace, read_rows

Mode = Literal["batched", "alone"]
Key = tuple[Mode, str, str]  # mode, benchmark, question


class Asked(NamedTuple):
    """A question as it is put to the models."""

    benchmark: str
    question: str
    prompt: Prompt

    def key(self, mode: Mode) -> Key:
        return mode, self.benchmark, self.question


class CellFile:
    """What is finished of one cell; times only count on the device that they were measured on.

    A file has one writer: make one under `locks.only_writer(path)`, in a folder that exists.
    """

    def __init__(self, path: Path, device: str) -> None:
        self.digest = path.stem
        self.path = path
        _drop_torn_line(self.path)
        rows = read_rows(self.path, Trace) if self.path.exists() else ()
        kept = (row for row in rows if row.mode == "batched" or row.device == device)
        self.traces: dict[Key, Trace] = {(row.mode, row.benchmark, row.question): row for row in kept}

    def append(self, trace: Trace) -> None:
        """Keep a finished question; once this returns, a power cut does not lose it."""
        with self.path.open("a", encoding="utf-8") as out:
            out.write(trace.model_dump_json() + "\n")
            out.flush()
            os.fsync(out.fileno())
        self.traces[trace.mode, trace.benchmark, trace.question] = trace

    def write_card(self, spec: dict[str, Any], device: str) -> None:
        """Say beside the traces where they come from; each machine is added when work on the cell begins there."""
        path = self.path.with_suffix(".card.json")
        card = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"machines": []}
        if all(machine["device"] != device for machine in card["machines"]):
            begun = datetime.now(UTC).isoformat(timespec="seconds")
            card["machines"].append({"device": device, "versions": provenance.versions(), "begun": begun})
            part = path.with_suffix(".part")
            part.write_text(json.dumps({"digest": self.digest, **spec, **card}, indent=1) + "\n", encoding="utf-8")
            part.replace(path)


def _drop_torn_line(path: Path) -> None:
    """Cut off what a killed job left of its last line."""
    if path.exists():
        whole = path.read_bytes().rpartition(b"\n")
        with path.open("r+b") as file:
            file.truncate(len(whole[0]) + len(whole[1]))


def suite_questions(suite: Suite, data: Path) -> list[list[Asked]]:
    """The questions of each slice, from DATA/<benchmark>.jsonl; a slice without any stops the job."""
    return [_slice_questions(part, data) for part in suite.slices]


def _slice_questions(part: Slice, data: Path) -> list[Asked]:
    path = data / f"{part.benchmark}.jsonl"
    if not path.is_file():
        raise SystemExit(f"{path}: no such file; the suite names benchmark {part.benchmark!r}")
    questions = list(read_rows(path, Question))
    number, shards = part.shard
    chosen = questions[len(questions) * (number - 1) // shards : len(questions) * number // shards]
    if not chosen:
        raise SystemExit(f"{path}: shard {number} of {shards} holds none of its {len(questions)} questions")
    return [Asked(part.benchmark, row.id, question_prompt(row, str(data.resolve()))) for row in chosen]


def spread(asked: Sequence[Asked], wanted: int, draft: str) -> list[Asked]:
    """`wanted` of the questions, one from each of as many equal stretches, at a place that draft and ids decide.

    A fixed stride would meet the period of the data (MathVerse's versions, MMBench's rotations) and time only one kind.
    All methods of a draft are timed on the same questions, other drafts on others: so a pool over pairs, whose
    interval is as narrow as it has different questions, sees more of them for the same time.
    """
    wanted = min(wanted, len(asked))
    stretches = [asked[len(asked) * i // wanted : len(asked) * (i + 1) // wanted] for i in range(wanted)]
    return [min(stretch, key=lambda one: provenance.spec_digest(draft, one.question)) for stretch in stretches]
