"""Environments: whole ones are kept, half ones are made anew, and each has one maker."""

from pathlib import Path

import pytest

from dreamr.cli import make_environment
from dreamr.runtime.locks import only_writer


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were filled; filling takes no time here."""
    folders: list[Path] = []

    def make(lock: Path, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        folders.append(folder)

    monkeypatch.setattr(make_environment, "make", make)
    return folders


def run(folder: Path) -> Path:
    (folder / "lock.txt").write_text("six==1.17.0\n")
    out = folder / "environments" / "models-cpu-0123456789"
    make_environment.main(lock=folder / "lock.txt", out=out)
    return out


def test_a_whole_environment_is_kept_though_its_marker_was_deleted(tmp_path: Path, made: list[Path]) -> None:
    (run(tmp_path) / "ready.txt").unlink()  # as Snakemake does before it runs a rule again
    assert (run(tmp_path) / "ready.txt").exists() and len(made) == 1


def test_one_that_was_not_finished_is_made_anew(
    tmp_path: Path, made: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(lock: Path, folder: Path) -> None:
        folder.mkdir()
        raise KeyboardInterrupt  # as Ctrl-C does

    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="Ctrl-C"):
        patch.setattr(make_environment, "make", killed)
        run(tmp_path)
    assert (run(tmp_path) / "ready.txt").exists() and len(made) == 1


def test_a_second_maker_stops(tmp_path: Path, made: list[Path]) -> None:
    with (
        only_writer(tmp_path / "environments" / "models-cpu-0123456789"),
        pytest.raises(SystemExit, match="one writer"),
    ):
        run(tmp_path)
    assert not made


@pytest.mark.slow
def test_what_pip_cannot_install_stops_with_the_lock_and_what_failed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The real thing, as far as a package that does not exist, which is what a machine without a network sees."""
    (tmp_path / "broken.txt").write_text("# two packages\nsix==1.17.0\nno-such-package-anywhere==0.0.0\n")
    with pytest.raises(SystemExit, match=r"broken\.txt: pip reaches no index that has no-such-package-anywhere:"):
        make_environment.main(lock=tmp_path / "broken.txt", out=tmp_path / "out")
    assert not (tmp_path / "out" / "ready.txt").exists()
    printed = capfd.readouterr()
    assert printed.out.startswith(f"{tmp_path / 'broken.txt'}: 2 packages go to {tmp_path / 'out'}")
    assert printed.out.count("\n") == 1 and "ERROR: No matching distribution" in printed.err


SAID = """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'
ERROR: Could not find a version that satisfies the requirement {0}==1.0 (from versions: none)
ERROR: No matching distribution found for {0}==1.0
"""


def test_the_same_want_of_an_index_is_one_cause_for_two_environments() -> None:
    """Which are made at the same time, each with other packages."""
    first, second = (
        make_environment.refused(Path(lock), SAID.format(package))
        for lock, package in (("models-cpu.txt", "aiohttp"), ("quantize-cpu.txt", "accelerate"))
    )
    assert first.cause and first.cause == second.cause
    assert str(first).startswith("models-cpu.txt: pip reaches no index that has aiohttp: see to the network, the proxy")
    assert "PIP_INDEX_URL" in first.cause.remedy


def test_other_words_of_pip_are_told_as_they_are() -> None:
    error = make_environment.refused(Path("models-cpu.txt"), "noise\nERROR: Could not install an OSError")
    assert str(error) == "models-cpu.txt: pip could not install it: ERROR: Could not install an OSError"
