"""Times of earlier jobs make an estimate."""

from pathlib import Path

import pytest

from dreamr.planning.progress import announcement, job_seconds, minutes


def benchmark(path: Path, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t10\n")


def test_times_are_means_over_a_rules_jobs(tmp_path: Path) -> None:
    benchmark(tmp_path / "generate/a/b/main/all.tsv", 60)
    benchmark(tmp_path / "generate/a/c/main/all.tsv", 120)
    benchmark(tmp_path / "summarise.tsv", 3)
    assert job_seconds(tmp_path) == {"generate": 90, "summarise": 3}
    assert job_seconds(tmp_path / "nowhere") == {}


def test_jobs_that_need_the_machine_run_one_by_one() -> None:
    seconds = {"generate": 60.0, "train_sapo": 60.0}
    assert minutes({"generate": 4, "train_sapo": 4, "new": 9}, seconds, cores=2) == pytest.approx(4 + 2)


def test_the_announcement_says_what_is_going_to_run_and_what_is_unknown() -> None:
    waiting = {"plot": 1, "generate": 1, "train_sapo": 2, "prepare": 4}
    said = announcement(waiting, {"train_sapo": 90.0}, {}, cores=2)
    assert said.startswith("To do: 2 train_sapo, 1 generate and 5 short jobs.\n")
    assert "About 2 min on 2 cores" in said
    assert "No times are known yet of: generate" in said
    assert announcement({"plot": 1}, {}, {}, 2) == "To do: 1 short job."


@pytest.mark.parametrize(
    ("own", "kept", "whose"),
    [
        ({"generate": 60.0, "quantize": 60.0}, {"generate": 1.0}, "this machine's own earlier runs"),
        ({"plot": 60.0}, {"generate": 60.0, "quantize": 60.0}, "times kept in this repository"),
        ({"generate": 60.0}, {"quantize": 60.0}, "earlier runs and times kept in this repository"),
    ],
)
def test_the_announcement_says_whose_times_it_goes_by(
    own: dict[str, float], kept: dict[str, float], whose: str
) -> None:
    said = announcement({"generate": 1, "quantize": 2}, own, kept, cores=2)
    assert said.splitlines()[1] == f"About 2 min on 2 cores, by {whose}."
