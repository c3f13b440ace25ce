"""Times of earlier jobs make an estimate."""

import json
from pathlib import Path

import pytest

from dreamr.planning.progress import announcement, job_seconds, minutes
from dreamr.runtime import forecast
from dreamr.runtime.forecast import Forecast, crowded, speedups


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


@pytest.fixture
def expected(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What jobs are expected to add to a run, for this test alone."""
    seconds = {"train_sapo": 50.0, "generate": 100.0, "prepare": 1.0}
    monkeypatch.setattr(forecast, "EXPECTED", seconds)
    return seconds


def test_a_run_says_how_much_of_its_time_is_over(expected: dict[str, float]) -> None:
    """By hand: ten trainings and five evaluations are 1,000 s; behind four trainings 200 of them are over."""
    run = Forecast({"train_sapo": 10, "generate": 5, "prepare": 0, "report": 1})
    run.done["train_sapo"] = 1
    assert run.words("train_sapo", elapsed=500.0) == ", 5% of the time, about 16 min left", "too early for a pace"
    run.done["train_sapo"] = 4
    assert run.words("train_sapo", elapsed=200.0) == ", 20% of the time, about 13 min left"
    assert run.words("train_sapo", elapsed=400.0) == ", 20% of the time, about 27 min left", "at half the pace"
    assert run.words("prepare", elapsed=400.0) == "" == run.words("report", elapsed=400.0)
    run.done.update({"train_sapo": 6, "generate": 5})
    assert run.words("generate", elapsed=900.0) == "", "nothing is left but what takes a moment"


def test_the_time_left_is_told_well_from_the_first_jobs_on(expected: dict[str, float]) -> None:
    """Twenty trainings, two at once, of 70 s each: 700 s in all. Jobs under way are not taken for work undone."""
    run = Forecast({"train_sapo": 20})
    begun = [0.0, 5.0]  # of those under way
    run.running["train_sapo"] = 2
    told = {}
    while run.done["train_sapo"] < 19:
        ended = begun.pop(0) + 70.0
        run.done["train_sapo"] += 1
        run.running["train_sapo"] -= 1
        told[ended] = int(run.words("train_sapo", ended).split("about ")[1].split()[0])
        if run.done["train_sapo"] + run.running["train_sapo"] < 20:
            begun.append(ended)
            run.running["train_sapo"] += 1
    settled = {at: left for at, left in told.items() if at > 100}
    assert all(abs(left - (705 - at) / 60) < 2.2 for at, left in settled.items()), settled


def test_the_first_result_is_a_ratio_of_total_times(tmp_path: Path) -> None:
    """Of methods with verdicts, timed one question at a time: 9 s beside 3 s and 3 s beside 3 s are twice as fast."""
    shared = {"benchmark": "mmmu", "verified": 2, "method": "dreamr", "mode": "alone"}
    draft_alone = {**shared, "verified": 0, "method": "draft_only"}
    rows = [
        {**shared, "question": "a", "seconds": 3.0, "baseline_seconds": 9.0},
        {**shared, "question": "b", "seconds": 3.0, "baseline_seconds": 3.0, "verified": 0},
        {**shared, "question": "c", "seconds": 1.0, "baseline_seconds": None},
        {**shared, "question": "c", "seconds": 1.0, "baseline_seconds": 50.0, "mode": "batched"},
        {**draft_alone, "question": "a", "seconds": 1.0, "baseline_seconds": 50.0},
    ]
    traces = tmp_path / "all.jsonl"
    traces.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert speedups(traces) == "times as fast as the target, on 2 questions: dreamr 2.00"
    traces.write_text(json.dumps(rows[-1]) + "\n")
    assert speedups(traces) == ""


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ([None, None], ""),
        ([None, 0.0, 0.1], ""),
        (
            [None, 0.02, 0.42, 0.31],
            "other processes took 25% of the machine's CPU time: these are times of a busy machine",
        ),
    ],
)
def test_times_of_a_busy_machine_are_told(shares: list[float | None], told: str, tmp_path: Path) -> None:
    """By the mean over timed answers; those given many at once measure nothing."""
    traces = tmp_path / "all.jsonl"
    traces.write_text("".join(json.dumps({"background": share}) + "\n" for share in shares))
    assert crowded(traces) == told
