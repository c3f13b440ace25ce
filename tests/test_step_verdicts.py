"""Verdicts against an oracle that is known: rates, areas and the gallery, against slow definitions."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories import asked, says_right, small, verified_traces
from sizes import micro_size
from sklearn.metrics import roc_auc_score

from dreamr.cli.verify import main as verify
from dreamr.micro.datasets import write_all
from dreamr.planning.jobs import SummariseJob
from dreamr.records import read_rows, write_rows
from dreamr.statistics.frame import ALL, read_table
from dreamr.statistics.gallery import Example, worst
from dreamr.statistics.step_verdicts import area, calibration, roc, thresholds, verification, verified_steps

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}


@cache
def steps() -> pd.DataFrame:
    return verified_steps(verified_traces(small()), asked(small()), says_right)


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
    rows, found = of(method), row(verification(steps(), SummariseJob.of(small())), method)
    right, accepted = rows.right == 1, rows.accepted == 1
    assert found.n == len(rows)
    assert found.false_accept == pytest.approx((~right & accepted).sum() / (~right).sum())
    assert found.false_reject == pytest.approx((right & ~accepted).sum() / right.sum())
    assert found.right_if_accepted == pytest.approx((right & accepted).sum() / accepted.sum())
    assert found.auc == pytest.approx(roc_auc_score(rows.right, rows.verdict))
    assert found.auc_low < found.auc < found.auc_high


def test_the_area_s_interval_equals_resampling_the_rows() -> None:
    rows, job = of("dreamr").reset_index(drop=True), SummariseJob.of(small())
    job = job.model_copy(update={"statistics": job.statistics.model_copy(update={"resamples": 1000})})
    found = area(rows.verdict.to_numpy(), rows.right.to_numpy(), rows.cluster.to_numpy(), job)
    rng, names = np.random.default_rng(1), rows.cluster.unique()
    members = {name: np.flatnonzero(rows.cluster == name) for name in names}
    areas = []
    for _ in range(300):
        drawn = np.concatenate([members[name] for name in rng.choice(names, len(names))])
        areas.append(roc_auc_score(rows.right[drawn], rows.verdict[drawn]))
    low, high = np.quantile(areas, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


def test_calibration_bins_hold_every_step_on_one_scale() -> None:
    table = calibration(steps(), SummariseJob.of(small()))
    for method in ("dreamr", "specreason"):
        bins = table[(table.target == ALL) & (table.method == method)].sort_values("bin")
        assert bins.n.sum() == 4 * 80 * 3
        assert bins.verdict.is_monotonic_increasing and bins.verdict.between(0, 1).all()
        assert bins.right.iloc[0] < 0.4 < 0.8 < bins.right.iloc[-1]


def test_thresholds_judge_the_same_verdicts_again() -> None:
    table, rows = thresholds(steps(), SummariseJob.of(small())), of("dreamr")
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
    curve = roc(steps(), SummariseJob.of(small())).query("method == 'dreamr'").sort_values("threshold", ascending=False)
    drawn = np.trapezoid(curve.true_accept, curve.false_accept)
    assert drawn == pytest.approx(roc_auc_score(rows.right, rows.verdict.round(3)))
    table = verification(steps(), SummariseJob.of(small()))
    pool = table[(table.target == ALL) & (table.draft == ALL) & (table.benchmark == ALL) & (table.method == "dreamr")]
    assert pool.auc.item() == pytest.approx(drawn, abs=2e-3)


def test_the_worst_verdicts_are_shown() -> None:
    chosen = worst(steps(), "dreamr")
    assert (chosen.groupby(["target", "draft", "kind"]).size() == 2).all()
    accepts = chosen[(chosen.kind == "wrong, accepted") & (chosen.target == PAIR["target"])]
    accepts = accepts[accepts.draft == PAIR["draft"]]
    rows = of("dreamr")
    assert accepts.verdict.max() == rows[(rows.right == 0) & (rows.accepted == 1)].verdict.max()


def test_the_command_asks_the_micro_world(tmp_path: Path) -> None:
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
    where = ["--data", str(tmp_path / "data"), "--truth", str(tmp_path / "micro"), "--out", str(tmp_path / "out")]
    verify(["--spec", SummariseJob.of(settings).model_dump_json(), "--traces", str(tmp_path / "traces.jsonl"), *where])
    table = read_table(tmp_path / "out" / "verification.csv")
    assert (table.right == 0).all()  # no invented text makes a claim of the micro world
    shown = list(read_rows(tmp_path / "out" / "gallery.jsonl", Example))
    assert shown and all(one.images and one.kind == "wrong, accepted" for one in shown)
