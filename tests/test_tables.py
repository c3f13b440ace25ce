"""Tables from invented scores: keys, pools, pairing, and the numbers against the slow definition."""

from collections.abc import Callable
from functools import cache
from math import isnan, prod
from pathlib import Path

import pandas as pd
import pytest
from factories import config, scores

from dreamr.cli.summarise import MAKERS
from dreamr.cli.summarise import main as summarise
from dreamr.config import Config, Method
from dreamr.errors import UserError
from dreamr.planning.jobs import SummariseJob
from dreamr.records import Fit, Score, write_rows
from dreamr.statistics.closed_form import closed_form
from dreamr.statistics.comparisons import ablated, trained_twins
from dreamr.statistics.factors import sequential_twins
from dreamr.statistics.frame import ALL, KEYS, read_table, score_frame
from dreamr.statistics.intervals import holm
from dreamr.statistics.tables import accuracy, fitting, refusals

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}


@cache
def everything() -> tuple[Config, list[Score]]:
    settings = config()
    settings = settings.model_copy(update={"statistics": settings.statistics.model_copy(update={"resamples": 200})})
    return settings, scores(settings)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("summarise")
    settings, rows = everything()
    half = len(rows) // 2
    write_rows(folder / "a.jsonl", rows[:half])
    write_rows(folder / "b.jsonl", rows[half:])
    spec = SummariseJob.of(settings).model_dump_json()
    files = (folder / "b.jsonl", folder / "a.jsonl")  # order must not matter
    summarise(spec=spec, scores=files, out=folder / "tables")
    return {name: read_table(folder / "tables" / f"{name}.csv") for name in MAKERS}


def line(table: pd.DataFrame, **wanted: str) -> pd.Series:
    """The one row with these keys."""
    for key, value in wanted.items():
        table = table[table[key] == value]
    assert len(table) == 1, f"{len(table)} rows with {wanted}"
    return table.iloc[0]


def of(method: str, benchmark: str = ALL, mode: str = "batched", target: str = "", draft: str = "") -> list[Score]:
    return [
        row
        for row in everything()[1]
        if (row.method, row.mode) == (method, mode)
        and benchmark in (ALL, row.benchmark)
        and (target or row.target) == row.target
        and (draft or row.draft) == row.draft
    ]


def test_every_table_has_its_keys_once(tables: dict[str, pd.DataFrame]) -> None:
    extra = {"versions": ["version"], "explained": ["part"], "ablation": ["kind"], "contrasts": ["other"]}
    for name, table in tables.items():
        assert not table.duplicated([*KEYS, *extra.get(name, [])]).any(), name
        assert {"n", "clusters"} <= set(table), name


def test_accuracy_and_change_are_means_over_the_same_questions(tables: dict[str, pd.DataFrame]) -> None:
    found = line(tables["accuracy"], **PAIR, method="dreamr", benchmark="mathverse")
    own = {row.question: row.correct for row in of("dreamr", "mathverse", **PAIR)}
    target = {row.question: row.correct for row in of("target_only", "mathverse", target=PAIR["target"])}
    assert found.n == len(own) == 20
    assert found.clusters == 4
    assert found.accuracy == pytest.approx(sum(own.values()) / 20)
    assert found.accuracy_change == pytest.approx((sum(own.values()) - sum(target.values())) / 20)
    assert found.lost == sum(target[name] and not own[name] for name in own)
    assert found.won == sum(own[name] and not target[name] for name in own)


def test_the_target_is_not_compared_with_itself(tables: dict[str, pd.DataFrame]) -> None:
    found = line(tables["accuracy"], target=PAIR["target"], draft="none", method="target_only", benchmark=ALL)
    assert found.accuracy > 0
    assert isnan(found.accuracy_change) and isnan(found.p)


def test_a_pool_holds_the_main_pairs_and_no_control(tables: dict[str, pd.DataFrame]) -> None:
    found = line(tables["accuracy"], target=ALL, draft=ALL, method="dreamr", benchmark=ALL)
    assert found.n == 8 * 80
    assert found.clusters == 4 + 5 + 20 + 20
    assert "q3vl-deep" in set(tables["accuracy"].target)
    targets = line(tables["accuracy"], target=ALL, draft=ALL, method="target_only", benchmark=ALL)
    assert targets.n == 2 * 80


def test_a_method_that_ran_on_some_pairs_only_is_not_pooled(tables: dict[str, pd.DataFrame]) -> None:
    pooled = tables["accuracy"][tables["accuracy"].target == ALL]
    assert "alpha_05" not in set(pooled.method)
    assert "dreamr" in set(pooled.method)


def test_a_pool_is_tested_by_its_questions_not_by_their_answers(tables: dict[str, pd.DataFrame]) -> None:
    """Eight pairs answer a question eight times, which is no eight questions; a pool is in no family of pairs."""
    found = line(tables["accuracy"], target=ALL, draft=ALL, method="draft_only", benchmark=ALL)
    assert found.clusters == 49 and found.p == pytest.approx(1 / 4096, rel=1e-4) and isnan(found.p_holm)


@pytest.mark.parametrize(
    ("method", "benchmark"), [("dreamr", "mathverse"), ("draft_only", "mmmu"), ("draft_only", ALL)]
)
def test_a_family_of_tests_is_one_method_on_one_benchmark_over_the_pairs(
    method: str, benchmark: str, tables: dict[str, pd.DataFrame]
) -> None:
    pairs = SummariseJob.of(config()).pairs
    rows = [line(tables["accuracy"], target=t, draft=d, method=method, benchmark=benchmark) for t, d in pairs]
    expected = holm([row.p for row in rows])
    assert [row.p_holm for row in rows] == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_a_control_is_in_no_family(tables: dict[str, pd.DataFrame]) -> None:
    control = line(tables["accuracy"], target="q3vl-deep", draft="q3vl-2l", method="dreamr", benchmark=ALL)
    assert not isnan(control.p) and isnan(control.p_holm)


def test_without_a_draft_the_family_is_the_targets(tables: dict[str, pd.DataFrame]) -> None:
    ngram = tables["accuracy"].query("method == 'ngram' and benchmark == 'all' and draft == 'none'").set_index("target")
    main = sorted({target for target, _ in SummariseJob.of(config()).pairs})
    assert ngram.p_holm[main].tolist() == pytest.approx(holm(ngram.p[main]), rel=1e-4)
    assert isnan(ngram.p_holm["q3vl-deep"])


def test_speedup_is_a_ratio_of_mean_times_of_neighbours(tables: dict[str, pd.DataFrame]) -> None:
    found = line(tables["speed"], **PAIR, method="dreamr", benchmark=ALL)
    rows = of("dreamr", mode="alone", **PAIR)
    assert found.n == len(rows) == 24
    assert found.speedup == pytest.approx(
        sum(r.baseline_seconds for r in rows) / sum(r.seconds for r in rows), rel=1e-4
    )
    assert found.speedup == pytest.approx(prod([found.fewer_tokens, found.time_per_token]), rel=1e-4)
    assert found.speedup_low < found.speedup < found.speedup_high


def test_device_seconds_count_the_devices_of_each_engine() -> None:
    settings, rows = everything()
    job = SummariseJob.of(settings)
    assert job.devices["q3vl-2l"] == 1
    wide = job.model_copy(update={"devices": {**job.devices, PAIR["target"]: 4, PAIR["draft"]: 2}})
    table = MAKERS["speed"](score_frame(rows), wide)
    found, timed = line(table, **PAIR, method="dreamr", benchmark=ALL), of("dreamr", mode="alone", **PAIR)
    spent = sum(4 * r.target_busy + 2 * r.draft_busy for r in timed)
    assert found.busy_device_seconds == pytest.approx(spent / 24)
    assert found.speedup_per_busy_device == pytest.approx(4 * sum(r.baseline_seconds for r in timed) / spent)
    held = sum((4 + 2) * r.seconds for r in timed)
    assert found.held_device_seconds == pytest.approx(held / 24)
    assert found.speedup_per_held_device == pytest.approx(found.speedup * 4 / (4 + 2))
    assert found.speedup_per_held_device_high == pytest.approx(found.speedup_high * 4 / (4 + 2))
    drafted = line(table, **PAIR, method="draft_only", benchmark=ALL)  # holds no target
    assert drafted.speedup_per_held_device == pytest.approx(drafted.speedup * 4 / 2)
    control = line(table, target=PAIR["target"], draft="none", method="target_only", benchmark=ALL)
    by_itself = of("target_only", mode="alone", target=PAIR["target"])
    assert control.busy_device_seconds == pytest.approx(4 * sum(r.target_busy for r in by_itself) / 24)
    assert control.speedup_per_held_device == pytest.approx(control.speedup)


def test_a_target_on_two_threads_holds_two_cores() -> None:
    settings, rows = everything()
    methods = {**settings.methods, "target_only": Method(loop="target_only", threads=2)}
    job = SummariseJob.of(settings.model_copy(update={"methods": methods}))
    found = line(
        MAKERS["speed"](score_frame(rows), job),
        target="q3vl-deep-awq",
        draft="none",
        method="target_only",
        benchmark=ALL,
    )
    assert found.held_device_seconds == pytest.approx(2 * found.seconds)
    assert found.speedup_per_held_device == pytest.approx(found.speedup / 2)


def test_a_speedup_is_split_where_the_sequential_twin_was_timed_on_the_same_questions(
    tables: dict[str, pd.DataFrame],
) -> None:
    """Worked from the definition: what the same text gains a token, first one thing at a time, then at once."""
    found = line(tables["split"], **PAIR, method="dreamr", benchmark=ALL)
    own, sequential = of("dreamr", mode="alone", **PAIR), of("schedule_sequential", mode="alone", **PAIR)
    by_itself = {(r.benchmark, r.question): r.tokens_by_target for r in of("target_only", target=PAIR["target"])}
    tokens = sum(by_itself[r.benchmark, r.question] for r in own)

    def token(rows: list[Score]) -> float:
        seconds = sum(r.seconds for r in rows) / sum(r.tokens_by_target for r in rows)
        return sum(r.baseline_seconds for r in rows) / tokens / seconds

    assert found.n == len(own) == len(sequential)
    assert found.fewer_tokens == pytest.approx(tokens / sum(r.tokens_by_target for r in own), rel=1e-4)
    assert found.delegation == pytest.approx(token(sequential), rel=1e-4)
    assert found.overlap == pytest.approx(token(own) / token(sequential), rel=1e-4)
    assert found.speedup == pytest.approx(found.fewer_tokens * found.delegation * found.overlap, rel=1e-4)
    itself = line(tables["split"], **PAIR, method="schedule_sequential", benchmark=ALL)
    assert itself.overlap == pytest.approx(1) and isnan(itself.overlap_low)


def test_only_a_schedule_of_the_same_text_splits_a_speedup(tables: dict[str, pd.DataFrame]) -> None:
    twins = sequential_twins(config().methods)
    assert {name: twins[name] for name in ("dreamr", "schedule_pipelined", "specreason")} == {
        "dreamr": "schedule_sequential",
        "schedule_pipelined": "schedule_sequential",
        "specreason": "specreason",
    }
    assert not {"dreamr_ns", "lookahead", "alpha_05", "target_only", "draft_only_sapo"} & twins.keys()
    dreamr = tables["split"].query("method == 'dreamr'")
    assert set(dreamr.target) == {PAIR["target"]}, "no other pair ran it, so there is no pool either"


def test_devices_of_a_model_are_those_its_engine_is_spread_over() -> None:
    settings = config()
    model = settings.models["q3vl-moe"]
    spread = model.model_copy(update={"engine": model.engine.model_copy(update={"tensor_parallel": 4})})
    wide = settings.model_copy(update={"models": {**settings.models, "q3vl-moe": spread}})
    assert SummariseJob.of(wide).devices == dict.fromkeys(settings.models, 1) | {"q3vl-moe": 4}


def test_acceptance_in_both_readings(tables: dict[str, pd.DataFrame]) -> None:
    found = line(tables["acceptance"], **PAIR, method="dreamr", benchmark=ALL)
    rows = of("dreamr", **PAIR)
    accepted = sum(row.accepted for row in rows)
    assert found.acceptance == pytest.approx(accepted / sum(row.verified for row in rows), rel=1e-4)
    timed = of("dreamr", **PAIR, mode="alone")
    drafted = sum(row.accepted for row in timed) / sum(row.drafted for row in timed)
    assert found.acceptance_drafted == pytest.approx(drafted, rel=1e-4)
    assert set(tables["acceptance"].method).isdisjoint({"target_only", "ngram", "draft_only"})


def test_sapo_compares_with_the_plain_draft(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["sapo"]
    assert set(table.method) == {"dreamr", "draft_only_sapo"}
    rows, plain = of("dreamr", **PAIR), of("dreamr_ns", **PAIR)
    one = line(table, **PAIR, method="dreamr", benchmark=ALL)
    assert one.tokens_change == pytest.approx(
        (sum(r.tokens_by_target for r in rows) - sum(r.tokens_by_target for r in plain)) / 80, rel=1e-4
    )


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


def test_ablations_are_compared_with_the_reference_of_their_pair(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["ablation"]
    own = line(table, kind="alpha", method="dreamr", benchmark=ALL)
    other = line(table, kind="alpha", method="alpha_05", benchmark=ALL)
    assert (own.setting, own.target, own.draft) == ("0.7", *PAIR.values())
    assert isnan(own.accuracy_change)
    assert other.accuracy_change == pytest.approx(other.accuracy - own.accuracy, abs=1e-5)
    assert other.accuracy_reference == pytest.approx(own.accuracy)
    assert other.speedup_change == pytest.approx(other.speedup - own.speedup, abs=1e-4)


def test_rotated_questions_count_once_and_must_be_right_in_every_rotation(tables: dict[str, pd.DataFrame]) -> None:
    found = line(tables["versions"], **PAIR, method="dreamr", benchmark="mmbench", version="circular")
    rows = of("dreamr", "mmbench", **PAIR)
    whole = {row.cluster: all(r.correct for r in rows if r.cluster == row.cluster) for row in rows}
    assert found.n == len(whole) == 5
    assert found.accuracy == pytest.approx(sum(whole.values()) / 5)
    versions = tables["versions"].query("benchmark == 'mathverse' and method == 'dreamr' and draft == 'q3vl-2l'")
    assert versions[versions.target == PAIR["target"]].version.nunique() == 5


def test_parts_of_the_questions_add_up(tables: dict[str, pd.DataFrame]) -> None:
    parts = tables["explained"].query("method == 'dreamr' and benchmark == 'all' and draft == 'q3vl-2l'")
    parts = parts[parts.target == PAIR["target"]].set_index("part")
    assert parts.n["draft wrote the answer"] + parts.n["target wrote the answer"] == parts.n["all"] == 80
    assert parts.n["shorter than the target's"] + parts.n["not shorter"] == 80
    drafts = [row for row in of("dreamr", **PAIR) if row.answer_writer == "draft"]
    assert parts.accuracy["draft wrote the answer"] == pytest.approx(
        sum(r.correct for r in drafts) / len(drafts), rel=1e-4
    )


def test_an_ablation_that_was_not_run_has_no_row() -> None:
    """Not even the reference's, which would stand there beside nothing."""
    settings, rows = everything()
    frame = score_frame(row for row in rows if not row.method.startswith("alpha"))
    assert set(MAKERS["ablation"](frame, SummariseJob.of(settings)).kind) == {"schedule", "verifier", "rewards"}


def test_a_draft_trained_on_planted_questions_is_no_ablation() -> None:
    settings, rows = everything()
    job = SummariseJob.of(settings)
    control = job.model_copy(update={"planted": ("length_heavy",)})
    frame = score_frame(row for row in rows if (row.target, row.draft) == tuple(PAIR.values()))
    lost = {*MAKERS["ablation"](frame, job).method} - {*MAKERS["ablation"](frame, control).method}
    assert lost == {"length_heavy"}


def test_overlapping_problems_are_told_apart() -> None:
    settings, rows = everything()
    found = {"training_set": "geometry3k", "by_image": True, "by_text": False, "by_source": False}
    lines = [{"benchmark": "mathverse", "question": name, "cluster": "p0", **found} for name in ("q0", "q0", "q1")]
    overlaps = pd.DataFrame(lines)
    frame = score_frame([row for row in rows if row.method in ("target_only", "specreason")], overlaps)
    parts = MAKERS["explained"](frame, SummariseJob.of(settings)).query("draft == 'q3vl-2l' and benchmark == 'all'")
    parts = parts[parts.target == PAIR["target"]].set_index("part")
    assert parts.n["in a training set"] == 5  # all five versions of the problem
    assert parts.n["in no training set"] == 75


def test_ids_in_a_table_stay_as_they_are_written(tmp_path: Path) -> None:
    """A cluster read as a number would match none of the scores'."""
    _, rows = everything()
    (tmp_path / "overlaps.csv").write_text("benchmark,question,cluster,training_question\nmathverse,q0,007,\n")
    overlaps = read_table(tmp_path / "overlaps.csv")
    renamed = [row.model_copy(update={"cluster": "007"}) if row.cluster == "p0" else row for row in rows]
    chosen = [row for row in renamed if row.method in ("target_only", "specreason")]
    tainted = score_frame(chosen, overlaps).query("overlaps == 1")
    assert set(tainted.benchmark) == {"mathverse"} and tainted.item.nunique() == 5


def test_the_harness_stands_beside_our_verdicts() -> None:
    """Of 80 answers its rules settle 60 (not RealWorldQA's); they reject what we accept on the first ten of MMMU."""
    settings, _ = everything()

    def theirs(row: Score) -> bool | None:
        if row.benchmark == "realworldqa":
            return None
        return not row.correct if row.benchmark == "mmmu" and int(row.question[1:]) < 10 else row.correct

    rows = of("dreamr", **PAIR)
    frame = score_frame([row.model_copy(update={"harness_correct": theirs(row)}) for row in rows])
    found = line(MAKERS["harness"](frame, SummariseJob.of(settings)), **PAIR, method="dreamr", benchmark=ALL)
    settled = [row for row in rows if row.benchmark != "realworldqa"]
    assert found.our_accuracy == pytest.approx(sum(row.correct for row in settled) / 60)
    assert found.harness_unresolved == pytest.approx(20 / 80)
    assert found.harness_accuracy == pytest.approx(sum(theirs(row) for row in settled) / 60)
    assert found.disagreement == pytest.approx(10 / 60)
    assert found.only_ours == pytest.approx(sum(row.correct and not theirs(row) for row in settled) / 60)
    assert found.only_ours + found.only_harness == pytest.approx(found.disagreement)


def test_a_thin_experiment_has_thin_tables() -> None:
    """Nothing timed, one method, no ablation, no SAPO: tables without rows, but with columns."""
    settings, rows = everything()
    thin = [row for row in rows if row.mode == "batched" and row.method in ("target_only", "specreason")]
    job = SummariseJob.of(settings)
    found = {name: table(score_frame(thin), job) for name, table in MAKERS.items()}
    assert {name for name, table in found.items() if len(table)} == {
        "accuracy", "versions", "acceptance", "explained", "harness", "pairs", "contrasts",
    }  # fmt: skip
    assert {"speedup", "speedup_low"} <= set(found["speed"])
    assert {"kind", "setting", "target"} <= set(found["ablation"])


def test_times_of_different_devices_are_refused() -> None:
    settings, rows = everything()
    mixed = [row.model_copy(update={"device": "other"}) if row.benchmark == "mmmu" else row for row in rows]
    with pytest.raises(UserError, match=r"different devices.*other, test"):
        MAKERS["speed"](score_frame(mixed), SummariseJob.of(settings))


def test_a_question_scored_twice_is_refused() -> None:
    _, rows = everything()
    with pytest.raises(UserError, match=r"scored twice.*target_only"):
        score_frame([*rows, rows[0]])


def test_without_the_target_a_change_is_unknown() -> None:
    settings, rows = everything()
    table = MAKERS["accuracy"](score_frame([row for row in rows if row.method == "dreamr"]), SummariseJob.of(settings))
    assert table.accuracy.notna().all()
    assert table.accuracy_change.isna().all()
    assert table.lost.isna().all() and table.p.isna().all()
    assert set(table.non_inferior) == {"unknown"}


@pytest.mark.parametrize(
    ("acceptance", "cost", "expected"), [(0.526, 0.05, 1.88), (0.7145, 0.1, 2.40), (0.8, 0.3, 2.27), (0.3, 0.2, 1.31)]
)
def test_closed_form_equals_published_arithmetic(acceptance: float, cost: float, expected: float) -> None:
    assert closed_form(acceptance, cost, window=4) == pytest.approx(expected, abs=0.006)


def test_closed_form_at_certain_acceptance_is_the_limit() -> None:
    assert closed_form(1, 0.1, 4) == pytest.approx(closed_form(1 - 1e-6, 0.1, 4), rel=1e-3)


# --- questions that an engine refused ---

WHY = "context_tokens (1024) is full: raise it"
HIT = ("q0", "q3", "q5")  # timed as well


def with_refused(hit: Callable[[Score], bool]) -> list[Score]:
    """The invented scores, where an engine refused some after a step: one token, no verdict, a moment."""
    marks = {"refused_by": PAIR["target"], "refusal": WHY, "correct": False, "unresolved": True, "parsed": None}
    rest = {"tokens": 1, "verified": 1, "accepted": 0, "drafted": 9, "seconds": 0.001, "truncated": False}
    return [row.model_copy(update=marks | rest) if hit(row) else row for row in everything()[1]]


def cell_of(row: Score, *methods: str) -> bool:
    return row.method in methods and (row.target, row.draft) == (PAIR["target"], PAIR["draft"])


def hit(row: Score) -> bool:
    return cell_of(row, "dreamr") and row.benchmark == "mmmu" and row.question in HIT


def test_a_refused_question_is_wrong_and_named() -> None:
    job = SummariseJob.of(everything()[0])
    rows = [row for row in with_refused(hit) if row.method in ("dreamr", "target_only")]
    frame = score_frame(rows)
    own = line(MAKERS["accuracy"](frame, job), method="dreamr", benchmark="mmmu", **PAIR)
    mine = [row for row in rows if cell_of(row, "dreamr") and (row.benchmark, row.mode) == ("mmmu", "batched")]
    assert own.n == len(mine) == 20 and own.refused == 3 / 20
    assert own.accuracy == sum(row.correct for row in mine) / 20
    named = refusals(frame)
    assert set(named.question) == {*HIT} and {*named["mode"]} == {"batched", "alone"} and len(named) == 6
    assert set(named.refusal) == {WHY} and set(named.refused_by) == {PAIR["target"]}


def test_no_step_or_token_of_a_refused_question_is_in_a_mean() -> None:
    job, rows = SummariseJob.of(everything()[0]), with_refused(hit)
    frame = score_frame(rows)
    own = line(MAKERS["acceptance"](frame, job), method="dreamr", benchmark="mmmu", **PAIR)
    kept = [row for row in of("dreamr", "mmmu") if cell_of(row, "dreamr") and row.question not in HIT]
    assert own.n == len(kept) == 17
    assert own.tokens == pytest.approx(sum(row.tokens_by_target for row in kept) / 17)
    assert own.verified == pytest.approx(sum(row.verified for row in kept) / 17)
    assert own.acceptance == pytest.approx(sum(row.accepted for row in kept) / sum(row.verified for row in kept))
    parts = MAKERS["explained"](frame, job)
    mine = parts[(parts.method == "dreamr") & (parts.benchmark == "mmmu") & (parts.target == PAIR["target"])]
    mine = mine[mine.draft == PAIR["draft"]].set_index("part")
    assert mine.n["refused to one of them"] == 3 and mine.n["all"] == 20
    assert mine.n["shorter than the target's"] + mine.n["not shorter"] == 17


def test_a_refused_question_is_timed_for_no_method_of_its_draft() -> None:
    job = SummariseJob.of(everything()[0])
    table, before = (MAKERS["speed"](score_frame(rows), job) for rows in (with_refused(hit), everything()[1]))
    for method in ("dreamr", "dreamr_ns", "specreason", "draft_only", "schedule_pipelined"):
        own = line(table, method=method, benchmark="mmmu", **PAIR)
        kept = [row for row in of(method, "mmmu", "alone") if cell_of(row, method) and row.question not in HIT]
        assert (own.n, own.left_out) == (len(kept), 3) and own.n == 3
        assert own.speedup == pytest.approx(sum(r.baseline_seconds for r in kept) / sum(r.seconds for r in kept))
    other = {"target": PAIR["target"], "draft": "r4b-2l", "method": "dreamr", "benchmark": "mmmu"}
    assert line(table, **other).n == line(before, **other).n == 6 and line(table, **other).left_out == 0
    pool = {"target": ALL, "draft": ALL, "method": "dreamr", "benchmark": ALL}
    assert line(table, **pool).n == line(before, **pool).n - 3 and line(table, **pool).left_out == 3


@pytest.mark.parametrize("side", ["dreamr", "dreamr_ns"])
def test_a_comparison_leaves_a_refused_question_out_on_both_sides(side: str) -> None:
    """Of lengths, steps and times; as an answer it is wrong on its own side."""
    job = SummariseJob.of(everything()[0])
    rows = with_refused(lambda row: cell_of(row, side) and row.question in HIT)
    own = line(MAKERS["sapo"](score_frame(rows), job), method="dreamr", benchmark=ALL, **PAIR)
    sides = {name: [row for row in rows if cell_of(row, name)] for name in ("dreamr", "dreamr_ns")}
    for name, suffix in (("dreamr", ""), ("dreamr_ns", "_plain")):
        all_of = [row for row in sides[name] if row.mode == "batched"]
        kept = [row for row in all_of if row.question not in HIT]
        timed = [row for row in sides[name] if row.mode == "alone" and row.question not in HIT]
        assert own[f"accuracy{suffix}"] == pytest.approx(sum(row.correct for row in all_of) / len(all_of))
        assert own[f"tokens{suffix}"] == pytest.approx(sum(row.tokens_by_target for row in kept) / len(kept))
        accepted, verified = sum(row.accepted for row in kept), sum(row.verified for row in kept)
        assert own[f"acceptance{suffix}"] == pytest.approx(accepted / verified)
        assert own[f"seconds{suffix}"] == pytest.approx(sum(row.seconds for row in timed) / len(timed))
        assert own.n_alone == len(timed)


def test_a_question_refused_to_the_target_has_no_speed_up() -> None:
    """Neither a length to compare with, wherever the target by itself was refused."""
    job = SummariseJob.of(everything()[0])
    by_itself = ("target_only", PAIR["target"], "batched")
    rows = with_refused(lambda row: (row.method, row.target, row.mode) == by_itself and row.question in HIT)
    table = MAKERS["speed"](score_frame(rows), job)
    assert line(table, method="dreamr", benchmark="mmmu", **PAIR).left_out == 3
    assert line(table, method="dreamr", benchmark="mmmu", target="q3vl-moe-awq", draft="q3vl-2l").left_out == 0


def test_how_questions_fit_is_counted_once_a_model() -> None:
    first = [row for row in everything()[1] if cell_of(row, "dreamr", "dreamr_ns")]

    def fits(row: Score) -> tuple[Fit, ...]:
        place = int(row.question[1:])
        big = Fit(model="big", tokens=None if place == 0 else 100 + place, fits="no" if place < 2 else "yes")
        return big, Fit(model=f"small.{row.method}", tokens=50, fits="perhaps" if place == 7 else "yes")

    table = fitting(score_frame([row.model_copy(update={"fits": fits(row)}) for row in first]))
    assert set(table.model) == {"big", "small.dreamr", "small.dreamr_ns"}
    big = line(table, model="big", benchmark="mmmu")
    assert (big.questions, big.longest, big.perhaps_refused, big.refused) == (20, 119, 0, 2)
    small = line(table, model="small.dreamr", benchmark=ALL)
    assert (small.questions, small.longest, small.perhaps_refused, small.refused) == (80, 50, 4, 0)


def test_an_accuracy_near_one_has_an_interval() -> None:
    """All right but one question of the method: too little for a bootstrap, so limits are exact."""
    settings, rows = everything()
    job = SummariseJob.of(settings)
    chosen = [row for row in rows if row.mode == "batched" and row.method in ("target_only", "dreamr")]
    wrong = min(row.question for row in chosen)
    right = [row.model_copy(update={"correct": row.method == "target_only" or row.question != wrong}) for row in chosen]
    table = accuracy(score_frame(right), job)
    assert table[["accuracy_low", "accuracy_high"]].notna().all(axis=None)
    changes = table[table.method == "dreamr"]
    assert (changes.accuracy_change_low < changes.accuracy_change).all()
    assert (changes.accuracy_change < changes.accuracy_change_high).all()
