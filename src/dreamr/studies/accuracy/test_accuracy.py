"""Accuracy, versions, the harness, refused questions and fits, against the slow definition."""

from math import isnan
from statistics import stdev

import pandas as pd
import pytest
from factories import config
from sentences import said
from summarised import HIT, PAIR, WHY, cell_of, everything, hit, line, of, with_refused

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.scores import Score
from dreamr.statistics.frame import ALL, score_frame
from dreamr.statistics.intervals import holm
from dreamr.statistics.paired import TRAININGS
from dreamr.studies.accuracy.tables import accuracy, fitting, harness, refusals, versions
from dreamr.traces import Fit


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


def test_rotated_questions_count_once_and_must_be_right_in_every_rotation(tables: dict[str, pd.DataFrame]) -> None:
    found = line(tables["versions"], **PAIR, method="dreamr", benchmark="mmbench", version="circular")
    rows = of("dreamr", "mmbench", **PAIR)
    whole = {row.cluster: all(r.correct for r in rows if r.cluster == row.cluster) for row in rows}
    assert found.n == len(whole) == 5
    assert found.accuracy == pytest.approx(sum(whole.values()) / 5)
    versions = tables["versions"].query("benchmark == 'mathverse' and method == 'dreamr' and draft == 'q3vl-2l'")
    assert versions[versions.target == PAIR["target"]].version.nunique() == 5


def test_a_question_that_was_asked_in_one_rotation_is_right_in_all_of_none() -> None:
    settings, _ = everything()
    rows = [row for row in of("dreamr", "mmbench", **PAIR) if row.version == "0" or row.cluster == "b1"]
    found = line(versions(score_frame(rows), SummariseJob.of(settings)), **PAIR, version="circular")
    assert found.n == 1


def test_the_harness_stands_beside_our_verdicts() -> None:
    """Of 80 answers its rules settle 60 (not RealWorldQA's); they reject what we accept on the first ten of MMMU."""
    settings, _ = everything()

    def theirs(row: Score) -> bool | None:
        if row.benchmark == "realworldqa":
            return None
        return not row.correct if row.benchmark == "mmmu" and int(row.question[1:]) < 10 else row.correct

    rows = of("dreamr", **PAIR)
    frame = score_frame([row.model_copy(update={"harness_correct": theirs(row)}) for row in rows])
    found = line(harness(frame, SummariseJob.of(settings)), **PAIR, method="dreamr", benchmark=ALL)
    settled = [row for row in rows if row.benchmark != "realworldqa"]
    assert found.our_accuracy == pytest.approx(sum(row.correct for row in settled) / 60)
    assert found.harness_unresolved == pytest.approx(20 / 80)
    assert found.harness_accuracy == pytest.approx(sum(theirs(row) for row in settled) / 60)
    assert found.disagreement == pytest.approx(10 / 60)
    assert found.only_ours == pytest.approx(sum(row.correct and not theirs(row) for row in settled) / 60)
    assert found.only_ours + found.only_harness == pytest.approx(found.disagreement)


@pytest.mark.parametrize(
    ("method", "differ", "expected"),
    [("ngram", 0, "identical"), ("ngram", 1, "undecided"), ("specreason", 0, "undecided")],
)
def test_only_a_lossless_loop_with_the_target_s_text_is_identical(method: str, differ: int, expected: str) -> None:
    """Right on the same questions are all three. What writes other text may be so by chance, and has an interval."""
    settings, _ = everything()
    target = [row for row in of("target_only", target=PAIR["target"]) if row.benchmark == "realworldqa"]
    changes = {"method": method, "draft": "none" if method == "ngram" else PAIR["draft"]}
    own = [row.model_copy(update=changes | {"target_text": n >= differ}) for n, row in enumerate(target)]
    table = accuracy(score_frame([*target, *own]), SummariseJob.of(settings))
    found = line(table, method=method, benchmark="realworldqa", target=PAIR["target"], draft=changes["draft"])
    assert (found.lost, found.won, found.accuracy_change, found.non_inferior) == (0, 0, 0, expected)
    assert isnan(found.accuracy_change_low) == (expected == "identical")
    assert found.same_text_as_target == pytest.approx(1 - differ / len(target))
    shown = said("studies/accuracy/section.html.j2", settings, {**NOTHING, "accuracy": table})
    assert ("n-gram speculation writes the target's own text by construction" in shown) == (expected == "identical")
    assert ("identical answers" in shown.partition("Detectable")[2]) == (expected == "identical")


@pytest.mark.parametrize(("differ", "expected"), [(0, "identical"), (1, "undecided")])
def test_what_the_target_alone_writes_in_another_job_is_identical_if_graded_alike(differ: int, expected: str) -> None:
    settings, _ = everything()
    methods = settings.methods | {"by_token": Method(loop="draft_model", proposed_tokens=4)}
    job = SummariseJob.of(settings.model_copy(update={"methods": methods}))
    target = [row for row in of("target_only", target=PAIR["target"]) if row.benchmark == "realworldqa"]
    changes = {"method": "by_token", "draft": PAIR["draft"]}
    own = [row.model_copy(update=changes | {"correct": row.correct != (n < differ)}) for n, row in enumerate(target)]
    table = accuracy(score_frame([*target, *own]), job)
    found = line(table, method="by_token", benchmark="realworldqa", target=PAIR["target"], draft=PAIR["draft"])
    assert (found.lost + found.won, found.non_inferior) == (differ, expected)
    assert found.same_text_as_target == pytest.approx(1 - differ / len(target))


NOTHING = {name: pd.DataFrame(columns=["benchmark", "target", "draft", "method"]) for name in ("refusals", "fitting")}
NOTHING |= {"harness": NOTHING["fitting"], "versions": NOTHING["fitting"]}


def test_the_spread_is_that_of_a_problem_s_change() -> None:
    """Four problems of five questions: changes of 1, 0, 0 and -.6, whose standard deviation is that of four numbers."""
    settings, _ = everything()
    wrong = {"dreamr": range(12, 15), "target_only": range(5)}
    rows = [
        row.model_copy(update={"correct": int(row.question[1:]) not in wrong[row.method]})
        for method in wrong
        for row in of(method, "mathverse", target=PAIR["target"])
        if method == "target_only" or cell_of(row, method)
    ]
    found = line(accuracy(score_frame(rows), SummariseJob.of(settings)), **PAIR, method="dreamr", benchmark="mathverse")
    assert found.spread == pytest.approx(stdev([1, 0, -0.6, 0]))


def test_without_the_target_a_change_is_unknown() -> None:
    settings, rows = everything()
    table = accuracy(score_frame([row for row in rows if row.method == "dreamr"]), SummariseJob.of(settings))
    assert table.accuracy.notna().all()
    assert table.accuracy_change.isna().all()
    assert table.lost.isna().all() and table.p.isna().all()
    assert set(table.non_inferior) == {"unknown"}


def test_a_refused_question_is_wrong_and_named() -> None:
    job = SummariseJob.of(everything()[0])
    rows = [row for row in with_refused(hit) if row.method in ("dreamr", "target_only")]
    frame = score_frame(rows)
    own = line(accuracy(frame, job), method="dreamr", benchmark="mmmu", **PAIR)
    mine = [row for row in rows if cell_of(row, "dreamr") and (row.benchmark, row.mode) == ("mmmu", "batched")]
    assert own.n == len(mine) == 20 and own.refused == 3 / 20
    assert own.accuracy == sum(row.correct for row in mine) / 20
    named = refusals(frame)
    assert set(named.question) == {*HIT} and {*named["mode"]} == {"batched", "alone"} and len(named) == 6
    assert set(named.refusal) == {WHY} and set(named.refused_by) == {PAIR["target"]}


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
    """All right but one question of the method: too little for a bootstrap, so limits are exact.

    They are over questions alone: what is over trainings too stays unknown.
    """
    settings, rows = everything()
    job = SummariseJob.of(settings)
    chosen = [row for row in rows if row.mode == "batched" and row.method in ("target_only", "dreamr")]
    wrong = min(row.question for row in chosen)
    right = [row.model_copy(update={"correct": row.method == "target_only" or row.question != wrong}) for row in chosen]
    table = accuracy(score_frame(right), job)
    crossed = (table.over == TRAININGS) & (table.benchmark != ALL)  # of all, enough problems differ
    assert table.loc[~crossed, ["accuracy_low", "accuracy_high"]].notna().all(axis=None)
    assert table.loc[crossed, ["accuracy_low", "accuracy_change_low"]].isna().all(axis=None)
    assert {*table.non_inferior[crossed]} == {"unknown"}
    changes = table[(table.method == "dreamr") & ~crossed]
    assert (changes.accuracy_change_low < changes.accuracy_change).all()
    assert (changes.accuracy_change < changes.accuracy_change_high).all()
