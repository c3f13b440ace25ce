"""Verdicts against an oracle that is known: rates, areas, parts and the gallery, against slow definitions."""

from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories import asked, says_right, scores, small, verified_traces
from sizes import micro_size
from sklearn.metrics import roc_auc_score

from dreamr.cli.verify import main as verify
from dreamr.micro.datasets import write_all
from dreamr.planning.jobs import SummariseJob, VerifyJob
from dreamr.records import Step, read_rows, write_rows
from dreamr.statistics.answer_errors import answers_by_errors
from dreamr.statistics.frame import ALL, read_table, score_frame
from dreamr.statistics.gallery import Example, worst
from dreamr.statistics.separation import area, calibration, roc
from dreamr.statistics.step_frame import Judgement, answers, verified_steps
from dreamr.statistics.step_parts import NEW, replacements, step_parts
from dreamr.statistics.step_verdicts import VERIFICATION, thresholds, verification

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}


@cache
def steps() -> pd.DataFrame:
    return verified_steps(verified_traces(small()), asked(small()), says_right)


@cache
def job() -> SummariseJob:
    return SummariseJob.of(small())


def of(method: str) -> pd.DataFrame:
    rows = steps()
    return rows[(rows.target == PAIR["target"]) & (rows.draft == PAIR["draft"]) & (rows.method == method)]


def row(table: pd.DataFrame, method: str) -> pd.Series:
    chosen = table[(table.target == PAIR["target"]) & (table.draft == PAIR["draft"]) & (table.method == method)]
    return chosen[chosen.benchmark == ALL].iloc[0]


def test_every_verified_step_is_judged_by_what_the_draft_wrote() -> None:
    assert len(of("dreamr")) == 80 * 3
    assert steps().text.str.match("right|wrong").all()  # never the target's replacement


@pytest.mark.parametrize("method", ["dreamr", "specreason"])
def test_rates_and_area_equal_the_slow_definition(method: str) -> None:
    rows, found = of(method), row(verification(steps(), job()), method)
    right, accepted = rows.right == 1, rows.accepted == 1
    assert found.n == len(rows)
    assert found.false_accept == pytest.approx((~right & accepted).sum() / (~right).sum())
    assert found.false_reject == pytest.approx((right & ~accepted).sum() / right.sum())
    assert found.right_if_accepted == pytest.approx((right & accepted).sum() / accepted.sum())
    assert found.auc == pytest.approx(roc_auc_score(rows.right, rows.verdict))
    assert found.auc_low < found.auc < found.auc_high


def test_the_area_s_interval_equals_resampling_the_rows() -> None:
    rows, settings = of("dreamr").reset_index(drop=True), job()
    more = settings.statistics.model_copy(update={"resamples": 1000})
    found = area(rows.assign(stratum="one"), settings.model_copy(update={"statistics": more}))
    rng, names = np.random.default_rng(1), rows.cluster.unique()
    members = {name: np.flatnonzero(rows.cluster == name) for name in names}
    areas = []
    for _ in range(300):
        drawn = np.concatenate([members[name] for name in rng.choice(names, len(names))])
        areas.append(roc_auc_score(rows.right[drawn], rows.verdict[drawn]))
    low, high = np.quantile(areas, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


def test_calibration_bins_hold_every_step_on_one_scale() -> None:
    table = calibration(steps(), job())
    for method in ("dreamr", "specreason"):
        bins = table[(table.target == ALL) & (table.method == method)].sort_values("bin")
        assert bins.n.sum() == 4 * 80 * 3
        assert bins.verdict.is_monotonic_increasing and bins.verdict.between(0, 1).all()
        assert bins.right.iloc[0] < 0.4 < 0.8 < bins.right.iloc[-1]


def test_thresholds_judge_the_same_verdicts_again() -> None:
    table, rows = thresholds(steps(), job()), of("dreamr")
    own = table[(table.target == PAIR["target"]) & (table.draft == PAIR["draft"]) & (table.method == "dreamr")]
    own = own[own.benchmark == ALL].set_index("alpha")
    for alpha, found in own.iterrows():
        accepted, right = rows.verdict > float(alpha), rows.right == 1
        assert found.accepted == pytest.approx(accepted.mean())
        assert found.false_accept == pytest.approx((accepted & ~right).sum() / (~right).sum())
    assert own.accepted["0.5"] > own.accepted["0.7"] > own.accepted["0.9"]
    assert "specreason" not in set(table.method)


def test_the_area_under_the_drawn_curve_is_the_area() -> None:
    rows = steps()[steps().method == "dreamr"]
    curve = roc(steps(), job()).query("method == 'dreamr'").sort_values("threshold", ascending=False)
    drawn = np.trapezoid(curve.true_accept, curve.false_accept)
    assert drawn == pytest.approx(roc_auc_score(rows.right, rows.verdict.round(3)))


def compared(rows: pd.DataFrame) -> tuple[float, int]:
    """How many comparisons of a right and a wrong step the right one wins, of how many."""
    right, wrong = rows[rows.right == 1].verdict, rows[rows.right == 0].verdict
    wins = sum((one > other) + (one == other) / 2 for one, other in product(right, wrong))
    return wins, len(right) * len(wrong)


def test_the_area_of_a_pool_compares_steps_within_pairs() -> None:
    """Were one pair's verdicts all higher than another's, that would say nothing of right and wrong."""
    shift = steps().target.map({"q3vl-deep-awq": 0.0, "q3vl-moe-awq": 5.0})
    table = verification(steps().assign(verdict=steps().verdict + shift), job())
    pool = table[(table.target == ALL) & (table.draft == ALL) & (table.benchmark == ALL) & (table.method == "dreamr")]
    parts = [compared(rows) for _, rows in steps()[steps().method == "dreamr"].groupby(["target", "draft"])]
    assert pool.auc.item() == pytest.approx(sum(wins for wins, _ in parts) / sum(of for _, of in parts))
    assert pool.auc_low.item() < pool.auc.item() < pool.auc_high.item()


def test_the_mean_digit_has_an_area_of_its_own() -> None:
    table = verification(steps(), job())
    rows, found = of("specreason"), row(table, "specreason")
    assert found.auc_expected == pytest.approx(roc_auc_score(rows.right, rows.expected))
    assert found.auc_expected != found.auc
    assert np.isnan(row(table, "dreamr").auc_expected)
    readings = roc(steps(), job()).groupby("method").reading.unique()
    assert {name: sorted(found) for name, found in readings.items()} == {
        "dreamr": ["verdict"], "specreason": ["expected", "verdict"]
    }  # fmt: skip


# One answer by hand: a right step, a wrong one that is accepted, its consequence, and a right step that is rejected.
BY_HAND = (
    Step(text="right 1", writer="draft", verdict=0.9, accepted=True),
    Step(text="wrong 2", writer="draft", verdict=0.8, accepted=True),
    Step(text="own, wrong", writer="target", verdict=0.1, accepted=False, rejected="wrong 3"),
    Step(text="own, right", writer="target", verdict=None, accepted=False, rejected=""),  # a blank draft: never asked
    Step(text="own, wrong", writer="target", verdict=0.2, accepted=False, rejected="right 4"),
)


def test_what_stands_behind_a_wrong_step_is_told_apart() -> None:
    traces = [verified_traces(small())[0].model_copy(update={"steps": BY_HAND})]
    found = verified_steps(traces, asked(small()), says_right)
    assert found.clean.tolist() == [True, True, False, False]
    assert found.right.tolist() == [1, 0, 0, 1]
    assert found.own_right.fillna(-1).tolist() == [-1, -1, 0, 0]


def test_parts_add_up_to_the_whole_and_say_what_the_rows_say() -> None:
    table, whole = step_parts(steps(), job()), row(verification(steps(), job()), "dreamr")
    parts = table[(table.target == PAIR["target"]) & (table.draft == PAIR["draft"]) & (table.method == "dreamr")]
    parts = parts.set_index(["prefix", "claim"])
    assert parts.loc[(ALL, ALL)][[*VERIFICATION]].to_dict() == whole[[*VERIFICATION]].to_dict()
    assert parts.loc[[("right so far", ALL), ("behind a wrong step", ALL)]].n.sum() == whole.n
    clean = "right so far"
    assert parts.loc[[(clean, kind) for kind in ("read", "sum", "filler")]].n.sum() == parts.loc[(clean, ALL)].n
    assert parts.loc[[(ALL, "filler"), (ALL, NEW)]].n.sum() == whole.n
    rows = of("dreamr")
    clean_sums = rows[rows.clean & (rows.claim == "sum") & (rows.right == 0)]
    assert parts.loc[("right so far", "sum")].false_accept == pytest.approx(clean_sums.accepted.mean())
    assert not table.duplicated(["target", "draft", "method", "prefix", "claim"]).any()


def test_the_target_s_replacement_is_judged_as_well() -> None:
    found, rows = row(replacements(steps(), job()).query(f"prefix == '{ALL}'"), "dreamr"), of("dreamr")
    rejected = rows[rows.accepted == 0]
    wrong = rejected.right == 0
    assert found.n == len(rejected) and 0 < found.mended < 1 and 0 < found.spoiled < 1
    assert found.mended == pytest.approx(rejected.own_right[wrong].mean())
    assert found.spoiled == pytest.approx(1 - rejected.own_right[~wrong].mean())
    assert found.gain == pytest.approx(rejected.own_right.mean() - rejected.right.mean())


def test_a_wrong_answer_line_is_no_error_before_it() -> None:
    """By hand: a wrong step, accepted unasked as equal to the target's, one that the target wrote, and the answer."""
    steps = (
        Step(text="wrong 1", writer="draft", verdict=None, accepted=True),
        Step(text="own, wrong", writer="target", verdict=0.1, accepted=False, rejected="wrong 2"),
        Step(text="wrong answer", writer="draft", verdict=0.9, accepted=True),
    )

    def judge(benchmark: str, question: str, step: str, before: Sequence[str]) -> Judgement:
        return Judgement(False, "answer" if step.endswith("answer") else "read")

    traces = [verified_traces(small())[0].model_copy(update={"steps": steps})]
    assert answers(traces, score_frame(scores(small())), judge).errors.tolist() == [1]


def test_answers_by_errors_add_up_to_the_change_of_accuracy() -> None:
    traces = verified_traces(small())
    rows = score_frame(scores(small()))
    table = answers_by_errors(answers(traces, rows, says_right), job())
    found = table[(table.target == PAIR["target"]) & (table.draft == PAIR["draft"]) & (table.method == "dreamr")]
    found = found.set_index("errors")
    wrong = {}
    for trace in traces:
        if (trace.target, trace.draft, trace.method) == (*PAIR.values(), "dreamr"):
            accepted = [step.text for step in trace.steps if step.writer == "draft"]
            wrong[trace.question + trace.benchmark] = sum(text.startswith("wrong") for text in accepted)
    own = rows[(rows.target == PAIR["target"]) & (rows.draft == PAIR["draft"]) & (rows.method == "dreamr")]
    own = own[own["mode"] == "batched"].assign(errors=lambda r: (r.question + r.benchmark).map(wrong))
    for name, chosen in {"0": own.errors == 0, "1": own.errors == 1, "3 or more": own.errors >= 3}.items():
        assert found.share[name] == pytest.approx(chosen.mean())
        assert found.accuracy[name] == pytest.approx(own[chosen].correct.mean(), nan_ok=True)
        assert found.target_accuracy[name] == pytest.approx(own[chosen].target_correct.mean(), nan_ok=True)
    change = own.correct.mean() - own.target_correct.mean()
    assert found.contribution[["0", "1", "2", "3 or more"]].sum() == pytest.approx(change)
    assert found.contribution[["0", "1 or more"]].sum() == pytest.approx(found.contribution[ALL])


def test_the_worst_verdicts_are_shown() -> None:
    chosen = worst(steps(), "dreamr")
    assert (chosen.groupby(["target", "draft", "kind"]).size() == 2).all()
    accepts = chosen[(chosen.kind == "wrong, accepted") & (chosen.target == PAIR["target"])]
    accepts = accepts[accepts.draft == PAIR["draft"]]
    rows = of("dreamr")
    assert accepts.verdict.max() == rows[(rows.right == 0) & (rows.accepted == 1)].verdict.max()


@pytest.mark.parametrize("judged", [4, 2], ids=["all", "half of the benchmarks are not generated"])
def test_the_command_asks_the_micro_world_of_what_it_made(tmp_path: Path, judged: int) -> None:
    from dreamr.data.loading import load_questions

    write_all(tmp_path / "micro", micro_size(1, 10, 10))
    settings = small()
    names = list(settings.benchmarks)
    known = {}
    for name in names:
        spec = settings.benchmarks[name].model_copy(update={"path": str(tmp_path / "micro" / name)})
        known[name] = load_questions(spec, tmp_path / "data")
        write_rows(tmp_path / "data" / f"{name}.jsonl", known[name])
    traces = [
        trace.model_copy(update={"question": known[trace.benchmark][int(trace.question[1:])].id})
        for trace in verified_traces(settings)
        if int(trace.question[1:]) < 6
    ]
    write_rows(tmp_path / "traces.jsonl", traces)
    where = {"data": tmp_path / "data", "truth": tmp_path / "micro", "out": tmp_path / "out"}
    names = {(trace.benchmark, trace.question) for trace in traces}
    ids = {(trace.benchmark, f"q{i}"): known[trace.benchmark][i].id for trace in traces for i in range(6)}
    graded = [
        score.model_copy(update={"question": ids[score.benchmark, score.question]})
        for score in scores(settings)
        if (score.benchmark, ids.get((score.benchmark, score.question))) in names
    ]
    write_rows(tmp_path / "scores.jsonl", graded)
    given = {"traces": (tmp_path / "traces.jsonl",), "scores": (tmp_path / "scores.jsonl",)}
    spec = VerifyJob(benchmarks=tuple(settings.benchmarks)[:judged], tables=SummariseJob.of(settings))
    for name in (*settings.benchmarks,)[judged:]:
        (tmp_path / "micro" / name / "truth.jsonl").unlink()
    verify(spec=spec.model_dump_json(), **given, **where)
    table = read_table(tmp_path / "out" / "verification.csv")
    assert (table.right == 0).all()  # no invented text makes a claim of the micro world
    assert {*table.benchmark} - {ALL} == {*spec.benchmarks}
    shown = list(read_rows(tmp_path / "out" / "gallery.jsonl", Example))
    assert shown and all(one.images and one.kind == "wrong, accepted" for one in shown)
    assert {one.benchmark for one in shown} <= {*spec.benchmarks}
