"""Times of earlier jobs make an estimate."""

from pathlib import Path

import pytest

from dreamr.planning.progress import announcement, job_seconds, minutes, missing


def benchmark(path: Path, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t10\n")


def test_times_are_means_over_a_rules_jobs(tmp_path: Path) -> None:
    benchmark(tmp_path / "generate/a/b/main/all.tsv", 60)
    benchmark(tmp_path / "generate/a/c/main/all.tsv", 120)
    benchmark(tmp_path / "summarise.tsv", 3)
    assert job_seconds(tmp_path) == {"generate": 90, "summarise": 3}
    assert job_seconds(tmp_path / "nowhere") == {}


def test_only_jobs_without_output_count(tmp_path: Path) -> None:
    (tmp_path / "done").touch()
    assert missing({"a": [str(tmp_path / "done")], "b": [str(tmp_path / "done"), str(tmp_path / "not")]}) == {"b": 1}


def test_jobs_that_need_the_machine_run_one_by_one() -> None:
    seconds = {"generate": 60.0, "train_sapo": 60.0}
    assert minutes({"generate": 4, "train_sapo": 4, "new": 9}, seconds, cores=2) == pytest.approx(4 + 2)


def test_the_announcement_says_what_is_left_and_what_is_unknown() -> None:
    said = announcement({"train_sapo": ["no/1", "no/2"], "generate": ["no/3"]}, {"train_sapo": 90.0}, cores=2)
    assert "2 train_sapo, 1 generate" in said
    assert "About 2 min on 2 cores" in said
    assert "No times are known yet of: generate" in said
    assert "done" in announcement({"generate": [__file__]}, {}, 2)
