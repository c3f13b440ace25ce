"""How commands end: what would repeat itself with words, what need not back into Slurm's queue."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dreamr.errors import UserError
from dreamr.runtime.ctrl_c import LOCAL, PRESSED, explain_ctrl_c
from dreamr.runtime.endings import exit_on_user_error, exit_or_requeue
from dreamr.runtime.locks import only_writer
from dreamr.runtime.slurm import PREFIX, RESTARTS, requeue
from dreamr.runtime.stops import ONE_PRESS, Stops


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A job of Slurm whose entry in the queue is the returned file; `requeued` beside it lists requests."""
    programs = {"squeue": f"cat {tmp_path}/entry", "scontrol": f'echo "$@" >> {tmp_path}/requeued'}
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    yield tmp_path / "entry"


@pytest.mark.parametrize(
    ("entry", "again"),
    [
        (f"{PREFIX}1f0c RUNNING", True),
        (f"{PREFIX}1f0c COMPLETING", False),  # scancel: the user wants it to end
        ("my_own_batch_script RUNNING", False),  # Snakemake runs inside somebody's allocation
    ],
)
def test_a_job_goes_back_into_the_queue_where_that_is_wanted(queue: Path, entry: str, again: bool) -> None:
    queue.write_text(entry + "\n")
    assert requeue(queue.parent) is again
    requests = queue.with_name("requeued")
    assert (requests.read_text() if requests.exists() else "") == ("requeue 7\n" if again else "")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("", "squeue does not list it"),  # it does not list what has ended
        (f"{PREFIX}1f0c FAILED", "its state is FAILED"),
    ],
)
def test_a_job_that_does_not_go_back_says_why(
    queue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], entry: str, why: str
) -> None:
    queue.write_text(entry + "\n")
    assert requeue(tmp_path) is False
    assert capsys.readouterr().err == f"Slurm job 7 does not go back into the queue: {why}\n"


AWAY = """#!/bin/sh
if [ -e {0}/asked ]; then cat {0}/entry; else
touch {0}/asked; echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2; exit 1; fi
"""


def test_a_job_waits_for_a_controller_that_is_away(
    queue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamr.runtime.slurm.PAUSES", (0, 0))
    queue.write_text(f"{PREFIX}1f0c RUNNING\n")
    queue.with_name("squeue").write_text(AWAY.format(queue.parent))
    assert requeue(tmp_path) is True
    assert queue.with_name("requeued").read_text() == "requeue 7\n"
    assert "squeue: slurm_load_jobs error: Unable to contact slurm controller" in capsys.readouterr().err


def test_outside_slurm_nothing_is_asked_or_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert requeue(tmp_path) is False
    with only_writer(tmp_path / "cell.jsonl"):
        assert not list(tmp_path.glob("slurm-*"))


@pytest.fixture
def job(queue: Path) -> Path:
    """The folder of a job that runs."""
    queue.write_text(f"{PREFIX}1f0c RUNNING\n")
    (queue.parent / "kept").mkdir()
    return queue.parent / "kept"


def cut_off(*paths: Path) -> bool:
    """Whether a job that writes these and is stopped in between goes back into the queue."""
    with suppress(KeyboardInterrupt), only_writer(*paths):
        raise KeyboardInterrupt
    return requeue(paths[0].parent)


def checkpoint(model: Path, step: int, made_by: str = "spec") -> None:
    """What a training keeps: the newest checkpoint alone."""
    work = model.with_name(f"{model.name}.checkpoints") / made_by
    shutil.rmtree(work, ignore_errors=True)
    (work / f"checkpoint-{step}").mkdir(parents=True)
    (work / f"checkpoint-{step}" / "trainer_state.json").touch()


def test_restarts_are_limited_only_where_nothing_new_is_kept(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nine time limits with an answer each are free; five failures in a row are not forgiven a sixth time."""
    cell = job / "cell.jsonl"
    cell.touch()
    assert cut_off(cell)
    for _ in range(9):
        cell.write_text(cell.read_text() + "{}\n")
        assert cut_off(cell)
    assert "goes back into the queue, with progress since its last start" in capsys.readouterr().err
    assert [cut_off(cell) for _ in range(RESTARTS + 1)] == [True] * RESTARTS + [False]
    told = capsys.readouterr().err
    assert f"restart {RESTARTS} of {RESTARTS} without progress" in told
    assert f"does not go back into the queue: it kept nothing new over {RESTARTS} restarts" in told


def test_a_newer_checkpoint_is_progress_and_the_same_one_is_none(job: Path) -> None:
    """Whatever another training of that name has left."""
    model = job / "draft"
    checkpoint(model, 500, made_by="earlier")
    for step in range(20, 20 * (RESTARTS + 4), 20):
        checkpoint(model, step)
        assert cut_off(model)
    (model.with_name("draft.checkpoints") / "spec" / "checkpoint-999").mkdir()  # cut off while it was written
    assert [cut_off(model) for _ in range(RESTARTS + 1)] == [True] * RESTARTS + [False]


def test_a_job_of_another_number_begins_to_count_anew(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Submitted again by a user who has mended something."""
    assert not all([cut_off(job / "cell.jsonl") for _ in range(RESTARTS + 1)])
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    assert cut_off(job / "cell.jsonl")


def test_every_process_of_a_job_counts_in_one_note(job: Path) -> None:
    """A rank that owns no files fails like the one that does; so does a job that fails before it has claimed them."""
    assert requeue(job)
    assert [cut_off(job / "draft"), requeue(job), cut_off(job / "draft"), requeue(job)] == [True] * 4
    assert not requeue(job)
    checkpoint(job / "draft", 20)
    assert requeue(job)


def test_a_good_end_leaves_no_note(job: Path) -> None:
    assert cut_off(job / "cell.jsonl") and list(job.glob("slurm-7.json"))
    with only_writer(job / "cell.jsonl"):
        pass
    assert not list(job.glob("slurm-*"))


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (ConnectionResetError("reset by peer"), True),
        (ValueError("a prompt of 20,000 tokens for a context of 16,384"), False),
        (KeyError("no such column"), False),
    ],
)
def test_an_unworded_error_is_shown_and_tried_again_if_it_may_pass(
    queue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception, again: bool
) -> None:
    queue.write_text(f"{PREFIX}1f0c RUNNING\n")
    with pytest.raises(SystemExit) as ended, exit_or_requeue(tmp_path):
        raise error
    assert ended.value.code == 1 and str(error) in capsys.readouterr().err
    assert queue.with_name("requeued").exists() is again


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_stop_at_any_moment_is_an_interruption(queue: Path, tmp_path: Path, number: int) -> None:
    """A time limit, or Ctrl-C, may come while models are still being loaded."""
    queue.write_text(f"{PREFIX}1f0c RUNNING\n")
    told = "told to stop; what is finished is kept: run the same command again to go on"
    with pytest.raises(UserError, match=told), exit_or_requeue(tmp_path):
        os.kill(os.getpid(), number)
        time.sleep(1)
    assert queue.with_name("requeued").exists()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_ends_a_command_that_keeps_nothing_with_words() -> None:
    with pytest.raises(SystemExit, match="told to stop by Ctrl-C"), exit_on_user_error():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_what_runs_in_a_shells_background_stays_deaf_to_ctrl_c(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with exit_or_requeue(tmp_path):
            os.kill(os.getpid(), signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_request_that_comes_twice_at_once_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal and torchrun both tell a rank; a second Ctrl-C comes later."""
    heard: list[str] = []
    stops = Stops(lambda: heard.append("first"), lambda: heard.append("again"))
    for moment in (0.0, 0.1, ONE_PRESS, 2.5 * ONE_PRESS, 4 * ONE_PRESS):
        monkeypatch.setattr(time, "monotonic", lambda moment=moment: moment)
        stops()
    assert heard == ["first", "again", "again"]


def test_a_worded_failure_is_not_tried_again_and_ends_with_its_words(queue: Path, tmp_path: Path) -> None:
    queue.write_text(f"{PREFIX}1f0c RUNNING\n")
    with pytest.raises(SystemExit, match="weights are damaged"), exit_on_user_error(), exit_or_requeue(tmp_path):
        raise UserError("weights are damaged")
    assert not queue.with_name("requeued").exists()


def test_a_full_disk_is_told_whatever_the_library_says(small_disk: Path) -> None:
    with pytest.raises(UserError, match="No space left on device"), exit_or_requeue(small_disk):
        (small_disk / "filled").write_bytes(bytes(1 << 22))
    (small_disk / "filled").write_bytes(bytes(3 << 19))
    told = f"{small_disk} cannot be written: No space left"
    with pytest.raises(UserError, match=told), exit_or_requeue(small_disk):
        raise RuntimeError("PytorchStreamWriter failed writing file")


def test_read_only_results_are_told(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    told = f"{small_disk} cannot be written: Read-only file system"
    with pytest.raises(UserError, match=told), exit_or_requeue(small_disk):
        (small_disk / "file").write_text("anything")


@pytest.mark.parametrize(
    ("local", "words"), [(True, "waits for those that run"), (False, "cancels those of the queue")]
)
def test_snakemake_says_what_ctrl_c_does_to_its_jobs(
    capfd: pytest.CaptureFixture[str], local: bool, words: str
) -> None:
    """tests.test_ctrl_c has the real one."""
    try:
        explain_ctrl_c(lambda: ["train_sapo: a.log"], local)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        PRESSED.clear()
    told = capfd.readouterr().err
    assert words in told and told.endswith("  train_sapo: a.log\n")


AT_ITS_END = """
import atexit, os, signal, sys
from dreamr.cli.app import main
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
sys.argv = ["dreamr", "--version"]
main()
"""


def test_ctrl_c_at_the_very_end_of_a_command_prints_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", AT_ITS_END], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


def test_the_words_say_how_long_a_press_is_one() -> None:
    assert "within two seconds" in LOCAL and ONE_PRESS == 2.0
