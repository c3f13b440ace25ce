"""How often in a row a job of Slurm went back into the queue without having kept anything new.

A note beside what the job writes says what that is, and how much of it was kept at the last restart: bytes of answers,
steps of checkpoints. Every rank of a training reads it there. It goes with the job's good end.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict


class Known(TypedDict):
    """What a note says."""

    writes: list[str]  # files and folders
    kept: int  # of them at the last restart
    restarts: int  # since something was kept


def begin(paths: Sequence[Path]) -> None:
    """Note what this job writes; files and folders, all in one folder. Outside of Slurm nothing is noted."""
    if job := os.environ.get("SLURM_JOB_ID"):
        note = _note(paths[0].parent, job)
        known = _read(note) or Known(writes=[], kept=kept(paths), restarts=0)
        known["writes"] = [str(path) for path in paths]
        _write(note, known)


def end(paths: Sequence[Path]) -> None:
    """The job has written all of it."""
    if job := os.environ.get("SLURM_JOB_ID"):
        _note(paths[0].parent, job).unlink(missing_ok=True)


def without_progress(folder: Path, job: str) -> int:
    """Count a restart of a job that writes into `folder`: how many there were since something new was kept.

    0 where something was kept since the last restart or, of the first one, since the job began.
    """
    note = _note(folder, job)
    known = _read(note) or Known(writes=[], kept=0, restarts=0)
    now = kept(map(Path, known["writes"]))
    restarts = 0 if now > known["kept"] else known["restarts"] + 1
    _write(note, Known(writes=known["writes"], kept=now, restarts=restarts))
    return restarts


def kept(paths: Iterable[Path]) -> int:
    """A number that grows with what is kept of these files and folders."""
    return sum(path.stat().st_size if path.is_file() else _steps(path) for path in paths)


def _steps(model: Path) -> int:
    """Of each training of this model the step of its newest whole checkpoint, in sum."""
    newest: dict[Path, int] = {}
    for state in model.parent.glob(f"{model.name}.checkpoints/*/checkpoint-*/trainer_state.json"):
        training, step = state.parents[1], int(state.parent.name.rpartition("-")[2])
        newest[training] = max(step, newest.get(training, 0))
    return sum(newest.values())


def _note(folder: Path, job: str) -> Path:
    return folder / f"slurm-{job}.json"


def _read(note: Path) -> Known | None:
    """What a note says; None where there is none."""
    if not note.exists():
        return None
    known: Known = json.loads(note.read_text(encoding="utf-8"))
    return known


def _write(note: Path, known: Known) -> None:
    """In one move, so that a killed job leaves the old note or the new one."""
    note.parent.mkdir(parents=True, exist_ok=True)
    part = note.with_name(f"{note.name}.{os.getpid()}.part")
    part.write_text(json.dumps(known) + "\n", encoding="utf-8")
    part.replace(note)
