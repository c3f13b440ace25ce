"""Three readings of a verdict at one operating point: thresholds by hand, halves, who is read."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from factories import config
from hypothesis import given
from hypothesis import strategies as st
from sentences import said

from dreamr.config import Method
from dreamr.planning.jobs import SummariseJob
from dreamr.statistics.step_frame import with_outcomes
from dreamr.studies.verification.figures import readings as figure
from dreamr.studies.verification.readings import _to_match, matched, reading_curves, readings

PAIR = {"target": "q3vl-deep-awq", "draft": "q3vl-2l"}
NEW = {"scores": Method(loop="specreason", draft="balanced", verifier="score", threshold=7)}
METHODS = {name: method for name, method in config().methods.items() if method.verifier != "score"} | NEW
SETTINGS = config().model_copy(update={"methods": config().methods | NEW})
JOB = SummariseJob.of(SETTINGS).model_copy(update={"methods": METHODS, "pairs": ((*PAIR.values(),),)})
# The same with a method that has the settings of DREAM-R, and drafts of the other target.
EXCHANGED = JOB.model_copy(
    update={"methods": JOB.methods | {"elsewhere": JOB.methods["dreamr"]}, "exchanged": {"elsewhere": {}}}
)


def steps(problems: int = 60, seed: int = 0) -> pd.DataFrame:
    """Four steps of each problem. Rho and the mean digit tell right from wrong, the likeliest digit is rounded."""
    rng, rows = np.random.default_rng(seed), []
    for method, problem, _ in product(("dreamr", "scores"), range(problems), range(4)):
        right = float(rng.random() < 0.6)
        value = float(np.clip(rng.normal(0.45 + 0.3 * right, 0.2), 0, 1))
        score = method == "scores"
        rows.append(
            PAIR | {"method": method, "benchmark": "mmmu", "question": str(problem), "group": str(problem)}
            | {"replicate": 0, "cluster": problem, "n": 1.0, "weight": 1.0, "right": right}
            | {"verdict": float(round(9 * value)) if score else value, "expected": 9 * value if score else np.nan}
            | {"accepted": float(value > 0.7)}
        )  # fmt: skip
    return with_outcomes(pd.DataFrame(rows))


@pytest.mark.parametrize(
    ("rejected", "at", "kept"), [(0.0, 1, 1.0), (0.1, 1, 0.5), (0.5, 3, 2 / 3), (0.2, 2, 1.0), (1.0, 5, 0.0)]
)
def test_a_threshold_worked_by_hand(rejected: float, at: float, kept: float) -> None:
    """Two of ten lie at 1, two at 2, three at 3, one at 4, two at 5."""
    values = np.array([1, 1, 2, 2, 3, 3, 3, 4, 5, 5], dtype=float)
    found = matched(values, np.ones(10), rejected)
    assert (found.at, found.kept) == (at, pytest.approx(kept))


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0.1, 2)), min_size=1, max_size=40), st.floats(0, 1, width=16))
def test_a_threshold_rejects_exactly_what_it_should(steps: list[tuple[int, float]], rejected: float) -> None:
    values, weights = (np.array(column, dtype=float) for column in zip(*steps, strict=True))
    found = matched(values, weights, rejected)
    lost = weights[values < found.at].sum() + (1 - found.kept) * weights[values == found.at].sum()
    assert lost / weights.sum() == pytest.approx(rejected, abs=1e-9) and 0 <= found.kept <= 1


def test_rates_are_of_the_half_that_thresholds_were_not_matched_on() -> None:
    rows = steps()
    table = readings(rows, JOB)
    table = table[(table.target == PAIR["target"]) & (table.draft == PAIR["draft"])].set_index("reading")
    half = np.array([_to_match(*one) for one in zip(rows.benchmark, rows.group, strict=True)])
    assert 0 < half.sum() < len(rows) and {*table.index} == {"rho", "likeliest digit", "mean digit"}
    own = rows.method == "scores"
    assert table.n["mean digit"] == (own & ~half).sum()
    by_rho = rows[half & (rows.method == "dreamr") & (rows.right == 1)]
    cut = rows[half & own & (rows.right == 1)]
    threshold = matched(cut.expected.to_numpy(), cut.weight.to_numpy(), 1 - by_rho.accepted.mean())
    assert table.threshold["mean digit"] == threshold.at
    told = rows[~half & own]
    passed = (told.expected > threshold.at) + threshold.kept * (told.expected == threshold.at)
    assert table.false_accept["mean digit"] == pytest.approx(passed[told.right == 0].mean())
    assert table.false_reject["mean digit"] == pytest.approx(1 - passed[told.right == 1].mean())
    change = table.false_accept["mean digit"] - table.false_accept["rho"]
    assert table.false_accept_change["mean digit"] == pytest.approx(change)
    assert table.false_accept_change_low["mean digit"] < change < table.false_accept_change_high["mean digit"]
    assert np.isnan(table.false_accept_change["rho"]) and {*table.drafted_by} == {"balanced"}


def test_curves_are_of_the_same_half_and_end_where_all_or_nothing_is_accepted() -> None:
    curves = reading_curves(steps(), JOB)
    for _, part in curves.groupby("reading"):
        part = part.sort_values("threshold")
        assert part[["false_accept", "true_accept"]].iloc[0].tolist() == [1, 1]
        assert part[["false_accept", "true_accept"]].iloc[-1].tolist() == [0, 0]
    chart = figure({"reading_curves": curves, "readings": readings(steps(), JOB)}, JOB)
    assert chart and len(chart.data) == len(curves)


def test_only_questions_that_both_methods_answered_count() -> None:
    rows = steps()
    part = rows[(rows.method == "dreamr") | (rows.cluster < 40)]
    assert readings(part, JOB).n.max() < readings(rows, JOB).n.max()
    assert readings(part, JOB).equals(readings(rows[rows.cluster < 40], JOB))


def test_a_training_that_one_method_lacks_is_in_no_reading() -> None:
    rows = steps()
    again = steps(seed=1).query("method == 'dreamr'").assign(replicate=1)
    pd.testing.assert_frame_equal(readings(pd.concat([rows, again]), JOB), readings(rows, JOB))


def test_pairs_weigh_alike_whatever_their_trainings() -> None:
    """Of the first pair's trainings all but one are in no reading; the other pair has one."""
    other = steps(seed=1).assign(draft="q3vl-3l")
    job = JOB.model_copy(update={"pairs": (*JOB.pairs, (PAIR["target"], "q3vl-3l"))})
    fifth = steps().assign(weight=lambda rows: np.where(rows.method == "dreamr", 1 / 5, 1.0))
    table = readings(pd.concat([fifth, other]), job)
    pd.testing.assert_frame_equal(table, readings(pd.concat([steps(), other]), job))
    assert (table.target == "all").sum() == 3


def test_a_draft_without_both_verifiers_has_no_readings() -> None:
    rows = steps()
    assert readings(rows[rows.method == "dreamr"], JOB).empty and reading_curves(rows.iloc[:0], JOB).empty
    apart = JOB.model_copy(update={"methods": METHODS | {"scores": NEW["scores"].model_copy(update={"draft": "new"})}})
    assert readings(rows, apart).empty


def test_the_section_begins_with_the_answer() -> None:
    table = readings(steps(), JOB)
    text = said("studies/verification/readings.html.j2", SETTINGS, {"readings": table})
    rho = table[(table.reading == "rho") & (table.draft == PAIR["draft"])].iloc[0]
    assert f"CPN's rho lets {100 * rho.false_accept:.1f} % of the wrong ones pass" in text


def test_drafts_of_the_other_target_are_not_taken_for_the_method_s_own() -> None:
    pd.testing.assert_frame_equal(readings(steps(), EXCHANGED), readings(steps(), JOB))
