"""Tables from invented scores: keys, ids, and which methods are compared."""

from pathlib import Path
from statistics import mean

import pandas as pd
import pytest
from factories import config
from summarised import everything, line, written

from dreamr.config import Method
from dreamr.errors import UserError
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.comparisons import ablated, trained_twins
from dreamr.statistics.frame import ALL, read_table, score_frame
from dreamr.statistics.intervals import share
from dreamr.statistics.paired import ONE_TRAINING, QUESTIONS, TRAININGS
from dreamr.statistics.pooling import tabulate, without_one_training
from dreamr.studies.catalogue import made_by


def test_every_table_has_its_keys_once(tables: dict[str, pd.DataFrame]) -> None:
    """What stands before the column `n` is a key."""
    told = {name: table for name, table in tables.items() if {"n", "clusters"} <= {*table}}
    assert len(told) > 10
    for name, table in told.items():
        keys = [*table.columns[: table.columns.get_loc("n")]]
        whose = "schedule" if name == "dice_break_even" else "method"  # that is of all methods of a schedule
        assert {"target", "draft", whose, "benchmark"} <= {*keys} and not table.duplicated(keys).any(), name


def test_each_benchmark_training_and_pair_weighs_alike() -> None:
    """By a slow definition: means of means. One benchmark is cut to an eighth, one training answers less of it."""
    settings, rows = everything()
    job = SummariseJob.of(settings)
    rows = [row for row in rows if row.method in ("target_only", "dreamr") and row.mode == "batched"]
    rows = [row for row in rows if row.benchmark != "mmmu" or int(row.question.removeprefix("q")) < 3]
    pair = ("q3vl-deep-awq", "q3vl-2l")
    more = [row.model_copy(update={"replicate": 1, "correct": row.benchmark == "mmbench"}) for row in rows]
    rows += [row for row in more if (row.target, row.draft, row.method) == (*pair, "dreamr")]
    nested: dict[tuple[str, str], dict[int, dict[str, list[bool]]]] = {}
    for row in rows:
        if row.method == "dreamr":
            training = nested.setdefault((row.target, row.draft), {}).setdefault(row.replicate, {})
            training.setdefault(row.benchmark, []).append(row.correct)
    by_pair = {
        key: mean(mean(mean(right) for right in training.values()) for training in trainings.values())
        for key, trainings in nested.items()
        if key in job.pairs
    }
    found = tabulate(score_frame(rows), job, {"accuracy": share("correct")})
    single = line(found, method="dreamr", target=pair[0], draft=pair[1], benchmark=ALL)
    pooled = line(found, method="dreamr", target=ALL, draft=ALL, benchmark=ALL)
    assert (single.trainings, single.over) == (2, QUESTIONS)
    assert (pooled.trainings, pooled.over) == (9, TRAININGS)
    assert single.accuracy == pytest.approx(by_pair[pair])
    assert pooled.accuracy == pytest.approx(mean(by_pair.values()))


def test_devices_of_a_model_are_those_its_engine_is_spread_over() -> None:
    settings = config()
    model = settings.models["q3vl-moe"]
    spread = model.model_copy(update={"engine": model.engine.model_copy(update={"tensor_parallel": 4})})
    wide = settings.model_copy(update={"models": {**settings.models, "q3vl-moe": spread}})
    assert SummariseJob.of(wide).devices == dict.fromkeys(settings.models, 1) | {"q3vl-moe": 4}


@pytest.mark.parametrize(("suffix", "kept"), [("", []), ("_change", ["accuracy_low"])])
def test_one_training_has_no_interval_of_what_speaks_of_a_recipe(suffix: str, kept: list[str]) -> None:
    ends = ["accuracy_low", "accuracy_change_low", "accuracy_change_high"]
    table = pd.DataFrame({"over": [ONE_TRAINING, QUESTIONS], "accuracy": 0.5, **dict.fromkeys(ends, 0.4)})
    found = without_one_training(table, suffix)
    assert [name for name in ends if found.notna()[name].tolist() == [True, True]] == kept
    assert found.accuracy.notna().all() and found.loc[1].notna().all()


def test_an_ablation_differs_from_the_reference_in_one_kind() -> None:
    settings = config()
    found = ablated(settings.methods, "dreamr").set_index("method")
    assert dict(found.kind) == {
        "schedule_sequential": "schedule",
        "schedule_pipelined": "schedule",
        "verifier_score": "verifier",
        "alpha_05": "alpha",
        "alpha_09": "alpha",
        "outcome_heavy": "rewards",
        "alignment_heavy": "rewards",
        "length_heavy": "rewards",
        "outcome_first": "rewards",
    }
    assert found.setting["alpha_05"] == "0.5" and found.setting["verifier_score"] == "score"
    assert found.setting["schedule_sequential"] == "sequential"
    assert found.setting["schedule_pipelined"] == "pipelined"
    assert trained_twins(settings.methods, "dreamr") == {"dreamr": "dreamr_ns", "draft_only_sapo": "draft_only"}


def test_a_loop_of_another_text_is_no_schedule_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a loop of a user's own would be whose settings happen to agree."""
    monkeypatch.setattr(Method, "batched", property(lambda method: method))
    assert "schedule_sequential" not in {*ablated(config().methods, "dreamr").method}


def test_ids_in_a_table_stay_as_they_are_written(tmp_path: Path) -> None:
    """A cluster read as a number would match none of the scores'."""
    _, rows = everything()
    (tmp_path / "overlaps.csv").write_text("benchmark,question,cluster,training_question\nmathverse,q0,007,\n")
    overlaps = read_table(tmp_path / "overlaps.csv")
    renamed = [row.model_copy(update={"cluster": "007"}) if row.cluster == "p0" else row for row in rows]
    chosen = [row for row in renamed if row.method in ("target_only", "specreason")]
    tainted = score_frame(chosen, overlaps).query("overlaps == 1")
    assert set(tainted.benchmark) == {"mathverse"} and tainted.item.nunique() == 5


def test_a_thin_experiment_has_thin_tables(tmp_path: Path) -> None:
    """Nothing timed, one method, no ablation, no SAPO: tables without rows, but with columns."""
    thin = [row for row in everything()[1] if row.mode == "batched" and row.method in ("target_only", "specreason")]
    found = written(tmp_path, thin)
    assert {*found} == {*made_by("summarise"), "claims"}
    assert all(len(table.columns) for table in found.values()) and any(table.empty for table in found.values())


def test_a_question_scored_twice_is_refused() -> None:
    _, rows = everything()
    with pytest.raises(UserError, match=r"scored twice.*target_only"):
        score_frame([*rows, rows[0]])
