"""The smallest unit of kept work: one method on one target, draft and suite, answered question by question.

A cell's finished questions stand in `<folder>/<digest>.jsonl`, one trace a line, on disk before the next line begins.
The digest covers spec, code, packages, and the questions and model files themselves, so what was computed under
another spec is never taken up.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dreamr import provenance
from dreamr.answering.questions import AnswerKey
from dreamr.files import write_atomically
from dreamr.records import read_rows
from dreamr.traces import Trace


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
        self.traces: dict[AnswerKey, Trace] = {_key(row): row for row in kept}

    def append(self, *traces: Trace) -> None:
        """Keep what is finished; once this returns, a power cut does not lose it. Of one key the last trace counts."""
        with self.path.open("a", encoding="utf-8") as out:
            out.write("".join(trace.model_dump_json() + "\n" for trace in traces))
            out.flush()
            os.fsync(out.fileno())
        self.traces |= {_key(trace): trace for trace in traces}

    def write_card(self, spec: dict[str, Any], device: str) -> None:
        """Say beside the traces where they come from; each machine is added when work on the cell begins there."""
        path = self.path.with_suffix(".card.json")
        card = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"machines": []}
        if all(machine["device"] != device for machine in card["machines"]):
            begun = datetime.now(UTC).isoformat(timespec="seconds")
            card["machines"].append({"device": device, "versions": provenance.versions(), "begun": begun})
            write_atomically(path, json.dumps({"digest": self.digest, **spec, **card}, indent=1) + "\n")


def _key(trace: Trace) -> AnswerKey:
    return trace.mode, trace.benchmark, trace.question, trace.load.at_once if trace.load else 0


def _drop_torn_line(path: Path) -> None:
    """Cut off what a killed job left of its last line."""
    if path.exists():
        whole = path.read_bytes().rpartition(b"\n")
        with path.open("r+b") as file:
            file.truncate(len(whole[0]) + len(whole[1]))
